"""What is open: how much, whose, whose turn comes when, and how fast it goes.

Turns are those of start-time fair queueing (Goyal, Vin and Cheng, 1996), each task costing one:
a client's next task goes one round after its last one that waits, a newcomer's first in the round
that is served now. So a batch of a hundred makes nobody else wait for all of it, and nobody is
passed for ever.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after, now
from models.store.tasks.worker_registry import Presence
from models.tasks.queue_position import Outlook
from models.tasks.task import OPEN, Status

Document = dict[str, Any]

_SERVED = ("turn", "created_at", "_id")
_OPEN = {"$in": list(OPEN)}
_MOST_COUNTED = 100_000  # of what ended lately: bounds the count
_DEEPEST = 100_000  # waiting tasks that are given their place: their ids must fit one document
_LATELY = timedelta(minutes=10)  # of tasks whose times say how long the next ones take
_SAMPLE = 100  # of them, the last ones


class Backlog:
    """The collection ``tasks``, counted; ``client`` is whom ``Task.client`` names."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], presence: Presence) -> None:
        self._database = database
        self._tasks = database["tasks"]
        self._presence = presence

    async def prepare(self) -> None:
        # In the order in which they are served, and covered: 10,000 ids are read in 6 ms.
        await self._tasks.create_index([(field, ASCENDING) for field in ("status", *_SERVED)])
        await self._tasks.create_index(
            [("client", ASCENDING), ("status", ASCENDING), ("turn", ASCENDING)]
        )
        await self._tasks.create_index([("finished_at", ASCENDING), ("client", ASCENDING)])

    @guarded
    async def open(self, limit: int, client: str | None = None) -> int:
        """Return how many tasks wait or are worked at, counted up to ``limit``."""
        query: Document = (
            {"status": _OPEN} if client is None else {"client": client, "status": _OPEN}
        )
        return await self._tasks.count_documents(query, limit=max(1, limit))

    @guarded
    async def turn(self, client: str, ahead: int = 0) -> int:
        """Return the turn, from 1, of a new task of ``client``, ``ahead`` of its own before it."""
        waiting = {"status": Status.CREATED}
        served, own = await asyncio.gather(
            self._tasks.find_one(
                {**waiting, "turn": {"$gt": 0}}, {"turn": 1}, sort=[("turn", ASCENDING)]
            ),
            self._tasks.find_one(
                {"client": client, **waiting}, {"turn": 1}, sort=[("turn", DESCENDING)]
            ),
        )
        now = int(served["turn"]) if served else 1
        return max(now, int(own["turn"]) + 1 if own else 1) + ahead

    @guarded
    async def ended(self, seconds: float, client: str | None = None) -> int:
        """Return how many tasks ended in the last ``seconds``."""
        lately = {"$expr": {"$gt": ["$finished_at", after(-seconds)]}}
        query: Document = lately if client is None else {"client": client, **lately}
        return await self._tasks.count_documents(query, limit=_MOST_COUNTED)

    @guarded
    async def outlook(self, seen: float) -> Outlook:
        """Return the whole queue as it is now; workers count that take tasks and were seen lately.

        ``seen``: in that many seconds.

        All waiting ids are read, whoever wants to know: one look for everybody that asks.
        """
        moment = await now(self._database)
        ahead = moment - datetime.now(UTC)
        lately = {"finished_at": {"$gt": moment - _LATELY}, "started_at": {"$ne": None}}
        waiting, running, took, workers = await asyncio.gather(
            self._tasks.aggregate(
                [
                    {"$match": {"status": Status.CREATED}},
                    {"$sort": dict.fromkeys(_SERVED, ASCENDING)},
                    {"$limit": _DEEPEST},
                    {"$group": {"_id": None, "ids": {"$push": "$_id"}}},
                ]
            ).to_list(1),
            self._tasks.count_documents({"status": Status.STARTED}),
            self._tasks.aggregate(
                [
                    {"$match": lately},
                    {"$sort": {"finished_at": DESCENDING}},
                    {"$limit": _SAMPLE},
                    {
                        "$group": {
                            "_id": None,
                            "mean": {"$avg": {"$subtract": ["$finished_at", "$started_at"]}},
                        }
                    },
                ]
            ).to_list(1),
            self._presence.taking(seen),
        )
        ids = waiting[0]["ids"] if waiting else []
        return Outlook(
            places={str(task_id): place for place, task_id in enumerate(ids)},
            beyond=len(ids) if len(ids) == _DEEPEST else 0,
            running=running,
            seconds=took[0]["mean"] / 1000 if took else None,
            workers=workers,
            ahead=ahead,
        )
