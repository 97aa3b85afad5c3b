"""Queue length and throughput over time: small notes that outlive every restart."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import now
from models.store.tasks.stats import Work
from models.tasks.task import Status

Document = dict[str, Any]

_LAG = timedelta(seconds=1)  # what changed a moment ago may not be seen yet
_GAP = 10  # pauses after which nobody was there to note, and nothing is made up
POINTS = 120  # of one series: more are not told apart on a screen
_COUNTS = ("asked", "started", "succeeded", "failed", "cancelled")
_LEVELS = ("waiting", "running", "workers", "oldest")


class History:
    """The collection ``history``: {_id: when, seconds, waiting, running, ..., asked, failed, ...}.

    Counts are those of the ``seconds`` before ``_id``; the rest is as it was then.
    """

    def __init__(self, database: AsyncIOMotorDatabase[Document], kept: int) -> None:
        """``kept``: seconds for which notes are kept."""
        self._database = database
        self._tasks = database["tasks"]
        self._notes = database["history"]
        self._kept = kept

    async def prepare(self) -> None:
        await self._notes.create_index("drop_at", expireAfterSeconds=0)
        await self._tasks.create_index([("started_at", ASCENDING)])

    @guarded
    async def note(self, work: Work, workers: int, pause: float) -> None:
        """Note how it is; ``pause``: seconds between two notes. One program at a time does so."""
        at = await now(self._database) - _LAG
        last = await self._notes.find_one({}, {"_id": 1}, sort=[("_id", -1)])
        since = at - timedelta(seconds=pause)
        if last is not None and at - _GAP * timedelta(seconds=pause) < last["_id"] < at:
            since = last["_id"]
        asked, started, ended = await asyncio.gather(
            self._count("created_at", since, at),
            self._count("started_at", since, at),
            self._ended(since, at),
        )
        note = {
            "seconds": (at - since).total_seconds(),
            "waiting": work.waiting,
            "running": work.running,
            "oldest": work.oldest,
            "workers": workers,
            "asked": asked,
            "started": started,
            "succeeded": ended.get(Status.SUCCESS, 0),
            "failed": ended.get(Status.FAILURE, 0),
            "cancelled": ended.get(Status.CANCELLED, 0),
            "drop_at": at + timedelta(seconds=self._kept),
        }
        await self._notes.update_one({"_id": at}, {"$setOnInsert": note}, upsert=True)

    async def _count(self, field: str, since: datetime, until: datetime) -> int:
        return await self._tasks.count_documents({field: {"$gt": since, "$lte": until}})

    async def _ended(self, since: datetime, until: datetime) -> dict[str, int]:
        ended = {"finished_at": {"$gt": since, "$lte": until}}
        counted = self._tasks.aggregate(
            [{"$match": ended}, {"$group": {"_id": "$status", "count": {"$sum": 1}}}]
        )
        return {each["_id"]: each["count"] async for each in counted}

    @guarded
    async def before(self, seconds: float, pause: float) -> int | None:
        """Return how many tasks waited ``seconds`` ago; None if nobody noted it about then."""
        at = await now(self._database) - timedelta(seconds=seconds)
        slack = timedelta(seconds=3 * pause)
        query = {"_id": {"$gt": at - slack, "$lte": at + slack}}
        found = await self._notes.find_one(query, {"waiting": 1}, sort=[("_id", -1)])
        return int(found["waiting"]) if found else None

    @guarded
    async def series(self, seconds: float, pause: float) -> tuple[float, list[Document]]:
        """Return what was noted in the last ``seconds``, and how many seconds a point stands for.

        At most 120 points, oldest first: of counts the sum, of levels the highest. Where nobody
        noted there is no point.
        """
        until = await now(self._database)
        since = until - timedelta(seconds=seconds)
        # Points begin at whole multiples of their width, so that they stay what they were.
        width = max(pause, seconds / POINTS)
        milliseconds = {"$toLong": {"$subtract": ["$_id", datetime.fromtimestamp(0, until.tzinfo)]}}
        bucket = {"$floor": {"$divide": [milliseconds, width * 1000]}}
        sums = {name: {"$sum": f"${name}"} for name in (*_COUNTS, "seconds")}
        highest = {name: {"$max": f"${name}"} for name in _LEVELS}
        found = self._notes.aggregate(
            [
                {"$match": {"_id": {"$gt": since}}},
                {"$group": {"_id": bucket, **sums, **highest}},
                {"$sort": {"_id": 1}},
            ]
        )
        return width, [
            {"at": datetime.fromtimestamp(each.pop("_id") * width, until.tzinfo), **each}
            async for each in found
        ]
