"""What is open: how much, whose, whose turn comes when, and how fast it goes.

Turns are those of start-time fair queueing (Goyal, Vin and Cheng, 1996), each task costing one:
a client's next task goes one round after its last one that waits, a newcomer's first in the round
that is served now. So a batch of a hundred makes nobody else wait for all of it, and nobody is
passed for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING

from models.store.clock import after
from models.store.guard import guarded
from models.task import OPEN, Status

Document = dict[str, Any]

_OPEN = {"$in": list(OPEN)}
_MOST_COUNTED = 100_000  # of what ended lately: bounds the count


class Backlog:
    """The collection ``tasks``, counted; ``client`` is whom ``Task.client`` names."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._tasks = collection

    async def prepare(self) -> None:
        await self._tasks.create_index([("status", ASCENDING), ("turn", ASCENDING)])
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
