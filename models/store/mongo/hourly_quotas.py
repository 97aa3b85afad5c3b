"""Quotas over a sliding hour, for each address and each client."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession as Session
from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import now_plus
from models.store.mongo.upsert import upsert

Document = dict[str, Any]

HOUR_SECONDS = 3600


class HourlyQuotas:
    """The collection ``quotas``: {_id: key, hits: times of the last hour, expires_at}.

    One document a key and one atomic update a hit, so that all services share the limit.
    """

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._quotas = collection

    def declare_indexes(self, indexes: Indexes) -> None:
        indexes.add(self._quotas, "expires_at", expireAfterSeconds=0)

    @translate_errors
    async def retry_after(self, key: str, limit: int, window: float = HOUR_SECONDS) -> int:
        """Return 0 if the quota has room, else the seconds until it has; consumes nothing."""
        in_window = {"$filter": {"input": "$hits", "cond": {"$gt": ["$$this", now_plus(-window)]}}}
        wait = {"$subtract": [{"$arrayElemAt": ["$hits", -limit]}, now_plus(-window)]}
        over_limit = await self._quotas.aggregate(
            [
                {"$match": {"_id": key}},
                {"$set": {"hits": in_window}},
                {"$match": {f"hits.{limit - 1}": {"$exists": True}}},
                {"$project": {"wait": wait}},
            ]
        ).to_list(1)
        return max(1, math.ceil(over_limit[0]["wait"] / 1000)) if over_limit else 0

    @translate_errors
    async def consume(
        self, key: str, limit: int, window: float = HOUR_SECONDS, *, session: Session | None = None
    ) -> int:
        """Count one more hit in ``window`` seconds if ``limit`` allows it.

        Returns 0 if it was counted, else the seconds until the quota has room; a refused hit
        does not count. ``session``: of a transaction that the hit joins.
        """
        in_window = {"$gt": ["$$this", now_plus(-window)]}
        has_room = {"$lt": [{"$size": "$hits"}, limit]}
        appended = {"$concatArrays": ["$hits", ["$$NOW"]]}
        pipeline: list[Document] = [
            {
                "$set": {
                    "hits": {"$filter": {"input": {"$ifNull": ["$hits", []]}, "cond": in_window}},
                    "now": "$$NOW",
                    "expires_at": now_plus(window),
                }
            },
            {"$set": {"counted": has_room, "hits": {"$cond": [has_room, appended, "$hits"]}}},
        ]
        document = await upsert(self._quotas, {"_id": key}, pipeline, session)
        if document["counted"]:
            return 0
        oldest: datetime = document["hits"][-limit]
        elapsed: float = (document["now"] - oldest).total_seconds()
        return max(1, math.ceil(window - elapsed))
