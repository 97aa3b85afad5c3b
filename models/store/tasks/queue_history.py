"""Queue length and throughput over time, stored so that they survive restarts."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING

from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import server_now
from models.store.tasks.stats import QueueStats
from models.tasks.task import Status

Document = dict[str, Any]

INTERVAL_SECONDS = 10.0  # between two samples: sixty thousand a week
RETENTION_SECONDS = 7 * 24 * 3600  # of samples: a week shows the load of each day
_LAG = timedelta(seconds=1)  # the latest changes may not be visible yet
_MAX_GAP_INTERVALS = 10  # a longer gap had no recorder, and is not filled
_MAX_POINTS = 120  # of one series: a screen does not show more
_INTERVAL = timedelta(seconds=INTERVAL_SECONDS)
_COUNTS = ("asked", "started", "succeeded", "failed", "cancelled")
_LEVELS = ("waiting", "running", "workers", "oldest")


class QueueHistory:
    """The collection ``history``: {_id: time, seconds, waiting, running, ..., asked, failed, ...}.

    Counts cover the ``seconds`` before ``_id``; levels are those at ``_id``.
    """

    def __init__(self, database: AsyncIOMotorDatabase[Document]) -> None:
        self._database = database
        self._tasks = database["tasks"]
        self._samples = database["history"]

    def declare_indexes(self, indexes: Indexes) -> None:
        indexes.add(self._samples, "drop_at", expireAfterSeconds=0)
        indexes.add(self._tasks, [("started_at", ASCENDING)])

    @translate_errors
    async def record(self, stats: QueueStats, workers: int) -> None:
        """Record a sample. One program at a time does so, every INTERVAL_SECONDS."""
        at = await server_now(self._database) - _LAG
        last = await self._samples.find_one({}, {"_id": 1}, sort=[("_id", -1)])
        since, max_gap = at - _INTERVAL, _MAX_GAP_INTERVALS * _INTERVAL
        if last is not None and at - max_gap < last["_id"] < at:
            since = last["_id"]
        created, started, ended = await asyncio.gather(
            self._count("created_at", since, at),
            self._count("started_at", since, at),
            self._ended(since, at),
        )
        sample = {
            "seconds": (at - since).total_seconds(),
            "waiting": stats.waiting,
            "running": stats.running,
            "oldest": stats.oldest_seconds,
            "workers": workers,
            "asked": created,
            "started": started,
            "succeeded": ended.get(Status.SUCCESS, 0),
            "failed": ended.get(Status.FAILURE, 0),
            "cancelled": ended.get(Status.CANCELLED, 0),
            "drop_at": at + timedelta(seconds=RETENTION_SECONDS),
        }
        await self._samples.update_one({"_id": at}, {"$setOnInsert": sample}, upsert=True)

    async def _count(self, field: str, since: datetime, until: datetime) -> int:
        return await self._tasks.count_documents({field: {"$gt": since, "$lte": until}})

    async def _ended(self, since: datetime, until: datetime) -> dict[str, int]:
        ended = {"finished_at": {"$gt": since, "$lte": until}}
        counted = self._tasks.aggregate(
            [{"$match": ended}, {"$group": {"_id": "$status", "count": {"$sum": 1}}}]
        )
        return {row["_id"]: row["count"] async for row in counted}

    @translate_errors
    async def waiting_before(self, seconds: float) -> int | None:
        """Return how many tasks waited ``seconds`` ago; None without a sample near that time."""
        at = await server_now(self._database) - timedelta(seconds=seconds)
        query = {"_id": {"$gt": at - 3 * _INTERVAL, "$lte": at + 3 * _INTERVAL}}
        sample = await self._samples.find_one(query, {"waiting": 1}, sort=[("_id", -1)])
        return int(sample["waiting"]) if sample else None

    @translate_errors
    async def series(self, seconds: float) -> tuple[float, list[Document]]:
        """Return the width of a point in seconds, and the points of the last ``seconds``.

        At most 120 points, oldest first: the sum of counts, the maximum of levels. A time without
        samples has no point.
        """
        until = await server_now(self._database)
        since = until - timedelta(seconds=seconds)
        # Points start at whole multiples of their width, so that they do not change later.
        width = point_seconds(seconds)
        milliseconds = {"$toLong": {"$subtract": ["$_id", datetime.fromtimestamp(0, until.tzinfo)]}}
        bucket = {"$floor": {"$divide": [milliseconds, width * 1000]}}
        sums = {name: {"$sum": f"${name}"} for name in (*_COUNTS, "seconds")}
        highest = {name: {"$max": f"${name}"} for name in _LEVELS}
        cursor = self._samples.aggregate(
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
