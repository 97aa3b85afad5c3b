"""Fair queueing between clients: turns, counts of open tasks, queue positions and throughput.

A turn is the start tag of start-time fair queueing (Goyal, Vin and Cheng, 1996), each task costing
its ``work.turns``: a client's next task goes so many rounds after its last waiting one, a new
client's first in the round that is served now. So a batch of a hundred does not delay other clients
by all of it, clients share the workers by work, not by tasks, and no client starves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING

from models.images.inspect import OutputFormat
from models.settings import Settings
from models.store.mongo.repository import Document, Repository, now_plus
from models.store.tasks.worker_registry import WorkerRegistry
from models.tasks.queue_position import QueueSnapshot
from models.tasks.task import OPEN, Status

_SERVICE_ORDER = ("turn", "created_at", "_id")
_OPEN = {"$in": list(OPEN)}
_MAX_COUNTED = 100_000  # recently ended tasks: bounds the count
_MAX_POSITIONS = 100_000  # waiting tasks with a position: their ids must fit one document
_RECENT = timedelta(minutes=10)  # ended tasks that are used to estimate durations
_SAMPLE_TASKS = 100  # of them, the latest


@dataclass(frozen=True)
class OpenTasks:
    """Waiting and started tasks.

    ``turns``: as how many they count by their work. ``most_bytes``: what their results could take,
    by format.
    """

    count: int
    turns: int
    most_bytes: Mapping[OutputFormat, int]


class FairQueue(Repository):
    """Counts over the collection ``tasks``; ``client`` is a ``Task.client``."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._workers = WorkerRegistry(database, settings)

    async def open_tasks(self, client: str | None = None) -> OpenTasks:
        """Return what is open, of ``client`` or of all."""
        query = {"status": _OPEN} | ({} if client is None else {"client": client})
        sums = {
            "count": {"$sum": 1},
            "turns": {"$sum": {"$ifNull": ["$work.turns", 1]}},  # older versions wrote none
            "most": {"$sum": "$most_result_bytes"},
        }
        rows = self._tasks.aggregate([{"$match": query}, {"$group": {"_id": "$format", **sums}}])
        by_format = {row["_id"]: row async for row in rows}
        return OpenTasks(
            sum(row["count"] for row in by_format.values()),
            sum(row["turns"] for row in by_format.values()),
            {output: int(row["most"]) for output, row in by_format.items()},
        )

    async def next_turn(self, client: str, ahead: int = 0) -> int:
        """Return the turn, from 1, of a new task of ``client``, ``ahead`` turns behind its last."""
        waiting = {"status": Status.CREATED}
        served, own = await asyncio.gather(
            self._tasks.find_one(
                {**waiting, "turn": {"$gt": 0}}, {"turn": 1}, sort=[("turn", ASCENDING)]
            ),
            self._tasks.find_one(
                {"client": client, **waiting},
                {"turn": 1, "work.turns": 1},
                sort=[("turn", DESCENDING)],
            ),
        )
        now = int(served["turn"]) if served else 1
        after = int(own["turn"]) + int(own.get("work", {}).get("turns", 1)) if own else 1
        return max(now, after) + ahead

    async def count_ended(self, seconds: float, client: str | None = None) -> int:
        """Return the number of tasks that ended in the last ``seconds``."""
        recent = {"$expr": {"$gt": ["$finished_at", now_plus(-seconds)]}}
        query: Document = recent if client is None else {"client": client, **recent}
        return await self._tasks.count_documents(query, limit=_MAX_COUNTED)

    async def snapshot(self) -> QueueSnapshot:
        """Return a snapshot of the whole queue; workers count that are alive and take tasks.

        It reads all waiting ids, so callers share one snapshot.
        """
        moment = await self._server_now()
        ahead = moment - datetime.now(UTC)
        recent = {"finished_at": {"$gt": moment - _RECENT}, "started_at": {"$ne": None}}
        waiting, running, took, workers = await asyncio.gather(
            self._tasks.aggregate(
                [
                    {"$match": {"status": Status.CREATED}},
                    {"$sort": dict.fromkeys(_SERVICE_ORDER, ASCENDING)},
                    {"$limit": _MAX_POSITIONS},
                    {"$group": {"_id": None, "ids": {"$push": "$_id"}}},
                ]
            ).to_list(1),
            self._tasks.count_documents({"status": Status.STARTED}),
            self._tasks.aggregate(
                [
                    {"$match": recent},
                    {"$sort": {"finished_at": DESCENDING}},
                    {"$limit": _SAMPLE_TASKS},
                    {
                        "$group": {
                            "_id": None,
                            "mean": {"$avg": {"$subtract": ["$finished_at", "$started_at"]}},
                        }
                    },
                ]
            ).to_list(1),
            self._workers.count_accepting(),
        )
        ids = waiting[0]["ids"] if waiting else []
        return QueueSnapshot(
            positions={str(task_id): place for place, task_id in enumerate(ids)},
            default_position=len(ids) if len(ids) == _MAX_POSITIONS else 0,
            running=running,
            mean_seconds=took[0]["mean"] / 1000 if took else None,
            workers=workers,
            clock_offset=ahead,
        )
