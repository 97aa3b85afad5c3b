"""Which workers are alive: each says so every few seconds, and hears whether it is to drain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after
from models.store.mongo.upsert import upserted

_FORGOTTEN_AFTER = 24 * 3600  # seconds after which a silent worker's entry is dropped


class Presence:
    """The collection ``workers``: {_id: worker, seen_at, engine, drain, and what it says}."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._workers = collection

    async def prepare(self) -> None:
        await self._workers.create_index("seen_at", expireAfterSeconds=_FORGOTTEN_AFTER)

    @guarded
    async def here(
        self,
        worker: str,
        engine: str = "",
        said: Mapping[str, Any] | None = None,
        *,
        first: bool = False,
    ) -> bool:
        """Note that ``worker`` lives; tell whether it is to drain.

        ``engine`` is what its upscaler works with, ``said`` what else it has to say. ``first``: it
        has just started, and what was asked of one of its name before is void.
        """
        change: dict[str, Any] = {
            "$currentDate": {"seen_at": True},
            "$set": {**(said or {}), "engine": engine},
        }
        if first:
            change["$unset"] = {"drain": ""}
        return bool((await upserted(self._workers, {"_id": worker}, change)).get("drain"))

    @guarded
    async def ask(self, worker: str, *, drain: bool) -> bool:
        """Ask ``worker`` to take no new tasks, or to take them again; False if there is none."""
        change = {"$set": {"drain": True}} if drain else {"$unset": {"drain": ""}}
        return (await self._workers.update_one({"_id": worker}, change)).matched_count == 1

    @guarded
    async def entries(self, seconds: float, most: int) -> list[dict[str, Any]]:
        """Return what workers seen in the last ``seconds`` said; ``silent``: seconds since."""
        query = _lately(seconds)
        silence = {"silent": {"$divide": [{"$subtract": ["$$NOW", "$seen_at"]}, 1000]}}
        found = self._workers.aggregate(
            [{"$match": query}, {"$sort": {"seen_at": -1}}, {"$limit": most}, {"$set": silence}]
        )
        return sorted([entry async for entry in found], key=lambda entry: str(entry["_id"]))

    @guarded
    async def gone(self, worker: str) -> None:
        await self._workers.delete_one({"_id": worker})

    @guarded
    async def alive(self, seconds: float, host: str = "") -> int:
        """Return how many workers (of ``host``, if given) were seen in the last ``seconds``."""
        query: dict[str, Any] = _lately(seconds)
        if host:
            query["_id"] = {"$regex": f"^{re.escape(host)}:"}
        return await self._workers.count_documents(query)

    @guarded
    async def taking(self, seconds: float) -> int:
        """Return how many of those seen in the last ``seconds`` take new tasks: are not drained."""
        query = {**_lately(seconds), "drain": {"$ne": True}}
        return await self._workers.count_documents(query)

    @guarded
    async def names(self, seconds: float) -> set[str]:
        """Return the workers seen in the last ``seconds``."""
        query = _lately(seconds)
        return {str(each["_id"]) async for each in self._workers.find(query, {"_id": 1})}

    @guarded
    async def engines(self, seconds: float) -> dict[str, int]:
        """Return the engines of workers seen in the last ``seconds``, and how many have each."""
        query = {**_lately(seconds), "engine": {"$gt": ""}}
        by_engine = {"_id": "$engine", "workers": {"$sum": 1}}
        counted = self._workers.aggregate([{"$match": query}, {"$group": by_engine}])
        return dict(sorted([(each["_id"], each["workers"]) async for each in counted]))


def _lately(seconds: float) -> dict[str, Any]:
    """Return the query for those who were seen in the last ``seconds``."""
    return {"$expr": {"$gt": ["$seen_at", after(-seconds)]}}
