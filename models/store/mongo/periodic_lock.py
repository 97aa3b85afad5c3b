"""Whose turn it is to do what one program of all does now and then.

The turns are in MongoDB, not in Redis, so that they outlive whatever Redis forgets.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after

_EPOCH = datetime.fromtimestamp(0, UTC)


class Turns:
    """Entries of the collection ``state``: {_id: what, holder, until, due_at}."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._state = collection

    @guarded
    async def take(self, what: str, holder: str, seconds: float) -> bool:
        """Take the turn for ``seconds`` if it is due and nobody's; of many at once one gets it."""
        new = {"$setOnInsert": {"holder": "", "until": _EPOCH, "due_at": _EPOCH}}
        with contextlib.suppress(DuplicateKeyError):  # two at once: now it is there
            await self._state.update_one({"_id": what}, new, upsert=True)
        due = {"$and": [{"$lte": ["$due_at", "$$NOW"]}, {"$lte": ["$until", "$$NOW"]}]}
        answer = await self._state.update_one(
            {"_id": what, "$expr": due}, [{"$set": {"holder": holder, "until": after(seconds)}}]
        )
        return answer.modified_count == 1

    @guarded
    async def extend(self, what: str, holder: str, seconds: float) -> bool:
        """Keep the turn; False if it is another's."""
        return await self._change(what, holder, {"until": after(seconds)})

    @guarded
    async def leave(self, what: str, holder: str, pause: float) -> bool:
        """Give the turn back; it is due again in ``pause`` seconds."""
        return await self._change(what, holder, {"until": _EPOCH, "due_at": after(pause)})

    async def _change(self, what: str, holder: str, change: dict[str, Any]) -> bool:
        query = {"_id": what, "holder": holder}
        answer = await self._state.update_one(query, [{"$set": change}])
        return answer.matched_count == 1
