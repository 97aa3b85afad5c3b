"""The queue's figures now and over time: lengths, ages, expired leases, throughput, disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pymongo import ASCENDING

from models.store.mongo.repository import Document, Repository
from models.store.tasks.activity import Activity
from models.tasks.task import Status

INTERVAL_SECONDS = 10.0  # between two samples: sixty thousand a week
RETENTION_SECONDS = 7 * 24 * 3600  # of samples: a week shows the load of each day
_LAG = timedelta(seconds=1)  # the latest changes may not be visible yet
_MAX_GAP_INTERVALS = 10  # a longer gap had no recorder, and is not filled
_MAX_POINTS = 120  # of one series: a screen does not show more
_INTERVAL = timedelta(seconds=INTERVAL_SECONDS)
_COUNTS = ("asked", "started", "succeeded", "failed", "cancelled")
_LEVELS = ("waiting", "running", "workers", "oldest")


@dataclass(frozen=True)
class QueueStats:
    """Tasks and leases at one moment; ages by MongoDB's clock, 0 if there is none."""

    waiting: int
    oldest_seconds: float
    running: int
    expired_leases: int
    longest_expired_seconds: float
    total: int


_RESULT_CHUNKS = "results.chunks"


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
        disk = size - int(reply["fsUsedSize"]), size
        return StorageStats(data, disk)

    async def reusable_bytes(self) -> int:
        """Return the room within the file of the results' data, left by deleted ones.

        MongoDB writes there before the file grows, and does not give it back to the file system.
        """
        stats = await self._database.command("collStats", _RESULT_CHUNKS, maxTimeMS=self._limit_ms)
        return int(stats.get("freeStorageSize", 0))

    async def _first(self, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
        documents = await self._tasks.aggregate(pipeline, maxTimeMS=self._limit_ms).to_list(1)
        return documents[0] if documents else {}


class QueueHistory(Repository, collection="history"):
    """The collection ``history``: {_id: time, seconds, waiting, running, ..., asked, failed, ...}.

    Counts cover the ``seconds`` before ``_id``; levels are those at ``_id``.
    """

    @cached_property
    def _activity(self) -> Activity:
        return Activity(self._database, self._settings)

    async def record(self, stats: QueueStats, workers: int) -> None:
        """Record a sample. One program at a time does so, every INTERVAL_SECONDS.

        What ended since the last sample is added to ``Activity``.
        """
        at = await self._server_now() - _LAG
        last = await self._collection.find_one({}, {"_id": 1}, sort=[("_id", -1)])
        since, max_gap = at - _INTERVAL, _MAX_GAP_INTERVALS * _INTERVAL
        if last is not None and at - max_gap < last["_id"] < at:
            since = last["_id"]
        created, started, ended = await asyncio.gather(
            self._count("created_at", since, at),
            self._count("started_at", since, at),
            self._activity.ended_between(since, at),
        )
        by_status = ended.by_status
        sample = {
            "seconds": (at - since).total_seconds(),
            "waiting": stats.waiting,
            "running": stats.running,
            "oldest": stats.oldest_seconds,
            "workers": workers,
            "asked": created,
            "started": started,
            "succeeded": by_status.get(Status.SUCCESS, 0),
            "failed": by_status.get(Status.FAILURE, 0),
            "cancelled": by_status.get(Status.CANCELLED, 0),
            "drop_at": at + timedelta(seconds=RETENTION_SECONDS),
        }
        written = await self._collection.update_one(
            {"_id": at}, {"$setOnInsert": sample}, upsert=True
        )
        if written.upserted_id is not None:
            await self._activity.add_ended(ended)

    async def _count(self, field: str, since: datetime, until: datetime) -> int:
        return await self._tasks.count_documents({field: {"$gt": since, "$lte": until}})

    async def waiting_before(self, seconds: float) -> int | None:
        """Return how many tasks waited ``seconds`` ago; None without a sample near that time."""
        at = await self._server_now() - timedelta(seconds=seconds)
        query = {"_id": {"$gt": at - 3 * _INTERVAL, "$lte": at + 3 * _INTERVAL}}
        sample = await self._collection.find_one(query, {"waiting": 1}, sort=[("_id", -1)])
        return int(sample["waiting"]) if sample else None

    async def series(self, seconds: float) -> tuple[float, list[Document]]:
        """Return the width of a point in seconds, and the points of the last ``seconds``.

        At most 120 points, oldest first: the sum of counts, the maximum of levels. A time without
        samples has no point.
        """
        until = await self._server_now()
        since = until - timedelta(seconds=seconds)
        # Points start at whole multiples of their width, so that they do not change later.
        width = point_seconds(seconds)
        milliseconds = {"$toLong": {"$subtract": ["$_id", datetime.fromtimestamp(0, until.tzinfo)]}}
        bucket = {"$floor": {"$divide": [milliseconds, width * 1000]}}
        sums = {name: {"$sum": f"${name}"} for name in (*_COUNTS, "seconds")}
        highest = {name: {"$max": f"${name}"} for name in _LEVELS}
        cursor = self._collection.aggregate(
            [
                {"$match": {"_id": {"$gt": since}}},
                {"$group": {"_id": bucket, **sums, **highest}},
                {"$sort": {"_id": 1}},
            ]
        )
        return width, [
            {"at": datetime.fromtimestamp(row.pop("_id") * width, until.tzinfo), **row}
            async for row in cursor
        ]


def point_seconds(seconds: float) -> float:
    """Return the width of a point of a series over ``seconds``."""
    return max(INTERVAL_SECONDS, seconds / _MAX_POINTS)
