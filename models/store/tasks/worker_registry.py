"""Worker heartbeats: each worker reports every few seconds and learns whether to drain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import now_plus
from models.store.mongo.upsert import upsert

HEARTBEAT_TIMEOUT_SECONDS = 6.0  # three heartbeats: a worker silent for longer counts as dead
_EXPIRE_SECONDS = 24 * 3600  # a TTL index drops entries of workers silent for longer


class WorkerRegistry:
    """The collection ``workers``: {_id: worker, seen_at, engine, drain, status fields}."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._workers = collection

    def declare_indexes(self, indexes: Indexes) -> None:
        indexes.add(self._workers, "seen_at", expireAfterSeconds=_EXPIRE_SECONDS)

    @translate_errors
    async def report(
        self,
        worker: str,
        engine: str = "",
        status: Mapping[str, Any] | None = None,
        *,
        first: bool = False,
    ) -> bool:
        """Record a heartbeat of ``worker``; return whether it must drain.

        ``engine``: what its upscaler runs on. ``status``: further fields to store. ``first``: it
        has just started, so an earlier drain request for a worker of its name is void.
        """
        change: dict[str, Any] = {
            "$currentDate": {"seen_at": True},
            "$set": {**(status or {}), "engine": engine},
        }
        if first:
            change["$unset"] = {"drain": ""}
        return bool((await upsert(self._workers, {"_id": worker}, change)).get("drain"))

    @translate_errors
    async def set_drain(self, worker: str, *, drain: bool) -> bool:
        """Ask ``worker`` to take no new tasks, or to take them again; False if unknown."""
        change = {"$set": {"drain": True}} if drain else {"$unset": {"drain": ""}}
        return (await self._workers.update_one({"_id": worker}, change)).matched_count == 1

    @translate_errors
    async def entries(self, seconds: float, limit: int) -> list[dict[str, Any]]:
        """Return the entries of workers seen in the last ``seconds``; ``silent``: seconds since."""
        query = _seen_within(seconds)
        silence = {"silent": {"$divide": [{"$subtract": ["$$NOW", "$seen_at"]}, 1000]}}
        cursor = self._workers.aggregate(
            [{"$match": query}, {"$sort": {"seen_at": -1}}, {"$limit": limit}, {"$set": silence}]
        )
        return sorted([entry async for entry in cursor], key=lambda entry: str(entry["_id"]))

    @translate_errors
    async def remove(self, worker: str) -> None:
        await self._workers.delete_one({"_id": worker})

    @translate_errors
    async def count_alive(self, seconds: float = HEARTBEAT_TIMEOUT_SECONDS, host: str = "") -> int:
        """Return the number of workers (of ``host``, if given) seen in the last ``seconds``."""
        query: dict[str, Any] = _seen_within(seconds)
        if host:
            query["_id"] = {"$regex": f"^{re.escape(host)}:"}
        return await self._workers.count_documents(query)

    @translate_errors
    async def count_accepting(self, seconds: float = HEARTBEAT_TIMEOUT_SECONDS) -> int:
        """Return the number of workers seen in the last ``seconds`` that are not draining."""
        query = {**_seen_within(seconds), "drain": {"$ne": True}}
        return await self._workers.count_documents(query)

    @translate_errors
    async def names(self, seconds: float = HEARTBEAT_TIMEOUT_SECONDS) -> set[str]:
        """Return the names of the workers seen in the last ``seconds``."""
        query = _seen_within(seconds)
        return {str(entry["_id"]) async for entry in self._workers.find(query, {"_id": 1})}

    @translate_errors
    async def engines(self, seconds: float = HEARTBEAT_TIMEOUT_SECONDS) -> dict[str, int]:
        """Return the number of workers of each engine, of those seen in the last ``seconds``."""
        query = {**_seen_within(seconds), "engine": {"$gt": ""}}
        by_engine = {"_id": "$engine", "workers": {"$sum": 1}}
        counted = self._workers.aggregate([{"$match": query}, {"$group": by_engine}])
        return dict(sorted([(entry["_id"], entry["workers"]) async for entry in counted]))


def _seen_within(seconds: float) -> dict[str, Any]:
    """Return the query for workers seen in the last ``seconds``."""
    return {"$expr": {"$gt": ["$seen_at", now_plus(-seconds)]}}
