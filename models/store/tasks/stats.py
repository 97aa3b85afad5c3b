"""Queue length, age of the oldest task, expired leases, and disk space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING

from models.store.mongo.repository import Repository
from models.tasks.task import Status


@dataclass(frozen=True)
class QueueStats:
    """Tasks and leases at one moment; ages by MongoDB's clock, 0 if there is none."""

    waiting: int
    oldest_seconds: float
    running: int
    expired_leases: int
    longest_expired_seconds: float
    total: int


@dataclass(frozen=True)
class StorageStats:
    """Sizes in bytes; ``disk`` is (free, size) of the file system, None if unknown."""

    data_bytes: int
    disk: tuple[int, int] | None


class TaskStats(Repository):
    """Queries the collection ``tasks`` and its disk; each query takes at most STORE_TIMEOUT."""

    async def queue(self) -> QueueStats:
        created = {"status": Status.CREATED}
        waiting = await self._tasks.count_documents(created, maxTimeMS=self._limit_ms)
        since = {"$ifNull": ["$asked_at", "$created_at"]}  # older versions wrote no asked_at
        oldest = await self._first(
            [
                {"$match": created},
                {"$sort": {"asked_at": ASCENDING}},
                {"$limit": 1},
                {"$project": {"age": {"$subtract": ["$$NOW", since]}}},
            ]
        )
        expired_ms = {"$subtract": ["$$NOW", "$lease.until"]}
        started = await self._first(
            [
                {"$match": {"status": Status.STARTED}},
                {
                    "$group": {
                        "_id": None,
                        "running": {"$sum": 1},
                        "over": {"$sum": {"$cond": [{"$gt": [expired_ms, 0]}, 1, 0]}},
                        "overdue": {"$max": expired_ms},
                    }
                },
            ]
        )
        return QueueStats(
            waiting=waiting,
            oldest_seconds=max(0, oldest.get("age") or 0) / 1000,
            running=started.get("running", 0),
            expired_leases=started.get("over", 0),
            longest_expired_seconds=max(0, started.get("overdue") or 0) / 1000,
            total=await self._tasks.estimated_document_count(maxTimeMS=self._limit_ms),
        )

    async def storage(self) -> StorageStats:
        reply = await self._database.command("dbStats", maxTimeMS=self._limit_ms)
        data = int(reply.get("storageSize", 0) + reply.get("indexSize", 0))
        if "fsTotalSize" not in reply or "fsUsedSize" not in reply:
            return StorageStats(data, None)
        size = int(reply["fsTotalSize"])
        return StorageStats(data, (size - int(reply["fsUsedSize"]), size))

    async def _first(self, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
        documents = await self._tasks.aggregate(pipeline, maxTimeMS=self._limit_ms).to_list(1)
        return documents[0] if documents else {}
