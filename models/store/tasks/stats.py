"""How much work waits, how long already, and whether somebody fell silent over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING

from models.store.mongo.errors import guarded
from models.tasks.task import Status


@dataclass(frozen=True)
class Work:
    """Tasks and leases at one moment; ages in seconds by MongoDB's clock, 0 where there is none."""

    waiting: int
    oldest: float
    running: int
    over: int
    overdue: float
    known: int


@dataclass(frozen=True)
class Space:
    """Bytes; ``disk`` is (free, size) of the file system, None where the server does not say."""

    data: int
    disk: tuple[int, int] | None


class Gauges:
    """Looks at the collection ``tasks`` and the disk below it, each look bounded by ``seconds``."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]], seconds: float) -> None:
        self._database = database
        self._tasks = database["tasks"]
        self._limit = max(1, round(seconds * 1000))  # also the server stops then

    async def prepare(self) -> None:
        # Holds only what waits, so that it costs little and its first entry is the oldest.
        await self._tasks.create_index(
            [("asked_at", ASCENDING)],
            name="waiting_since",
            partialFilterExpression={"status": str(Status.CREATED)},
        )

    @guarded
    async def work(self) -> Work:
        created = {"status": Status.CREATED}
        waiting = await self._tasks.count_documents(created, maxTimeMS=self._limit)
        since = {"$ifNull": ["$asked_at", "$created_at"]}  # older versions wrote no asked_at
        oldest = await self._one(
            [
                {"$match": created},
                {"$sort": {"asked_at": ASCENDING}},
                {"$limit": 1},
                {"$project": {"age": {"$subtract": ["$$NOW", since]}}},
            ]
        )
        silence = {"$subtract": ["$$NOW", "$lease.until"]}
        held = await self._one(
            [
                {"$match": {"status": Status.STARTED}},
                {
                    "$group": {
                        "_id": None,
                        "running": {"$sum": 1},
                        "over": {"$sum": {"$cond": [{"$gt": [silence, 0]}, 1, 0]}},
                        "overdue": {"$max": silence},
                    }
                },
            ]
        )
        return Work(
            waiting=waiting,
            oldest=max(0, oldest.get("age") or 0) / 1000,
            running=held.get("running", 0),
            over=held.get("over", 0),
            overdue=max(0, held.get("overdue") or 0) / 1000,
            known=await self._tasks.estimated_document_count(maxTimeMS=self._limit),
        )

    @guarded
    async def space(self) -> Space:
        said = await self._database.command("dbStats", maxTimeMS=self._limit)
        data = int(said.get("storageSize", 0) + said.get("indexSize", 0))
        if "fsTotalSize" not in said or "fsUsedSize" not in said:
            return Space(data, None)
        size = int(said["fsTotalSize"])
        return Space(data, (size - int(said["fsUsedSize"]), size))

    async def _one(self, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
        found = await self._tasks.aggregate(pipeline, maxTimeMS=self._limit).to_list(1)
        return found[0] if found else {}
