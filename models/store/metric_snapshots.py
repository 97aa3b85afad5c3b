"""The latest metrics of each worker, stored so that any service can serve them."""

from __future__ import annotations

from typing import Any, NamedTuple

from bson.binary import Binary
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import WriteConcern

from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import now_plus

_EXPIRE_SECONDS = 3600  # a TTL index drops older ones; a scrape shows five minutes
_MAX_NAME_CHARACTERS = 300


class MetricSnapshot(NamedTuple):
    """A snapshot with its age in seconds; its content is not validated."""

    worker: str
    age: float
    figures: object


class MetricSnapshots:
    """The collection ``snapshots``: {_id: worker, at, figures}, separate from the worker registry.

    A worker that ends leaves ``workers`` at once; its counters are served for some time after.
    """

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        # A server loses at most a few seconds of snapshots: no need to wait for a majority.
        self._snapshots = collection.with_options(write_concern=WriteConcern(w=1))

    def declare_indexes(self, indexes: Indexes) -> None:
        indexes.add(self._snapshots, "at", expireAfterSeconds=_EXPIRE_SECONDS)

    @translate_errors
    async def put(self, worker: str, figures: bytes) -> None:
        change = {"$currentDate": {"at": True}, "$set": {"figures": Binary(figures)}}
        await self._snapshots.update_one({"_id": worker}, change, upsert=True)

    @translate_errors
    async def recent(self, seconds: float, limit: int) -> list[MetricSnapshot]:
        """Return the newest ``most`` of those written in the last ``seconds``."""
        since = {"$expr": {"$gt": ["$at", now_plus(-seconds)]}, "at": {"$type": "date"}}
        aged = {"figures": 1, "age": {"$subtract": ["$$NOW", "$at"]}}
        cursor = self._snapshots.aggregate(
            [{"$match": since}, {"$sort": {"at": -1}}, {"$limit": limit}, {"$project": aged}]
        )
        return [
            MetricSnapshot(document["_id"], max(0, document["age"]) / 1000, document.get("figures"))
            async for document in cursor
            if _is_name(document["_id"])
        ]


def _is_name(worker: object) -> bool:
    return (
        isinstance(worker, str) and 0 < len(worker) <= _MAX_NAME_CHARACTERS and worker.isprintable()
    )
