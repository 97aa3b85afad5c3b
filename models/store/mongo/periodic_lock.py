"""A leader lock for periodic jobs: of all programs, one at a time runs a job, once per interval.

The lock is in MongoDB, not in Redis, so that it survives a Redis that loses its data.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from models.store.mongo.errors import translate_errors
from models.store.mongo.server_time import now_plus

_EPOCH = datetime.fromtimestamp(0, UTC)


class PeriodicLock:
    """Entries of the collection ``state``: {_id: job, holder, until, due_at}."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._state = collection

    @translate_errors
    async def acquire(self, job: str, holder: str, seconds: float) -> bool:
        """Lock ``job`` for ``seconds`` if due and free; of concurrent callers one succeeds."""
        initial = {"$setOnInsert": {"holder": "", "until": _EPOCH, "due_at": _EPOCH}}
        with contextlib.suppress(DuplicateKeyError):  # a concurrent insert won: now it exists
            await self._state.update_one({"_id": job}, initial, upsert=True)
        due = {"$and": [{"$lte": ["$due_at", "$$NOW"]}, {"$lte": ["$until", "$$NOW"]}]}
        outcome = await self._state.update_one(
            {"_id": job, "$expr": due}, [{"$set": {"holder": holder, "until": now_plus(seconds)}}]
        )
        return outcome.modified_count == 1

    @translate_errors
    async def extend(self, job: str, holder: str, seconds: float) -> bool:
        """Extend the lock; False if another holder has it."""
        return await self._update_if_held(job, holder, {"until": now_plus(seconds)})

    @translate_errors
    async def release(self, job: str, holder: str, pause: float) -> bool:
        """Release the lock; the job is due again in ``pause`` seconds."""
        return await self._update_if_held(job, holder, {"until": _EPOCH, "due_at": now_plus(pause)})

    async def _update_if_held(self, job: str, holder: str, change: dict[str, Any]) -> bool:
        query = {"_id": job, "holder": holder}
        outcome = await self._state.update_one(query, [{"$set": change}])
        return outcome.matched_count == 1
