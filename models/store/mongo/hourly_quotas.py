"""How often something was asked lately: a sliding hour for each address and each client."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession as Session
from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after
from models.store.mongo.upsert import upserted

Document = dict[str, Any]

HOUR = 3600


class Quotas:
    """The collection ``quotas``: {_id: key, hits: times of the last hour, expires_at}.

    One document a key and one atomic update a hit: as many services as there are share the limit.
    """

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._quotas = collection

    async def prepare(self) -> None:
        await self._quotas.create_index("expires_at", expireAfterSeconds=0)

    @guarded
    async def left(self, key: str, limit: int, window: float = HOUR) -> int:
        """Return 0 if a hit would be counted, else the seconds until one will be; counts none."""
        recent = {"$filter": {"input": "$hits", "cond": {"$gt": ["$$this", after(-window)]}}}
        wait = {"$subtract": [{"$arrayElemAt": ["$hits", -limit]}, after(-window)]}
        found = await self._quotas.aggregate(
            [
                {"$match": {"_id": key}},
                {"$set": {"hits": recent}},
                {"$match": {f"hits.{limit - 1}": {"$exists": True}}},
                {"$project": {"wait": wait}},
            ]
        ).to_list(1)
        return max(1, math.ceil(found[0]["wait"] / 1000)) if found else 0

    @guarded
    async def hit(
        self, key: str, limit: int, window: float = HOUR, *, session: Session | None = None
    ) -> int:
        """Count one more hit in ``window`` seconds if ``limit`` allows it.

        Returns 0 if it was counted, else the seconds until one will be; a refused hit costs
        nothing. ``session``: of a transaction, to which the hit then belongs.
        """
        recent = {"$gt": ["$$this", after(-window)]}
        room = {"$lt": [{"$size": "$hits"}, limit]}
        more = {"$concatArrays": ["$hits", ["$$NOW"]]}
        pipeline: list[Document] = [
            {
                "$set": {
                    "hits": {"$filter": {"input": {"$ifNull": ["$hits", []]}, "cond": recent}},
                    "now": "$$NOW",
                    "expires_at": after(window),
                }
            },
            {"$set": {"counted": room, "hits": {"$cond": [room, more, "$hits"]}}},
        ]
        document = await upserted(self._quotas, {"_id": key}, pipeline, session)
        if document["counted"]:
            return 0
        oldest: datetime = document["hits"][-limit]
        waited: float = (document["now"] - oldest).total_seconds()
        return max(1, math.ceil(window - waited))
