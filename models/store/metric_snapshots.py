"""What workers last said of their figures, for whichever service is asked."""

from __future__ import annotations

from typing import Any, NamedTuple

from bson.binary import Binary
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import WriteConcern

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after

_FORGOTTEN_AFTER = 3600  # seconds after which a snapshot is dropped; METRICS_KEPT_SECONDS at most
_LONGEST = 300  # characters of a worker's name


class Snapshot(NamedTuple):
    """A snapshot of unproven content, and its age in seconds."""

    worker: str
    age: float
    figures: object


class Snapshots:
    """The collection ``snapshots``: {_id: worker, at, figures}, apart from who is alive.

    A worker that ended is gone from ``workers`` at once; its counters are shown a while longer.
    """

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        # Lost with a server they are written again in seconds: nobody need wait for a majority.
        self._snapshots = collection.with_options(write_concern=WriteConcern(w=1))

    async def prepare(self) -> None:
        await self._snapshots.create_index("at", expireAfterSeconds=_FORGOTTEN_AFTER)

    @guarded
    async def put(self, worker: str, figures: bytes) -> None:
        change = {"$currentDate": {"at": True}, "$set": {"figures": Binary(figures)}}
        await self._snapshots.update_one({"_id": worker}, change, upsert=True)

    @guarded
    async def recent(self, seconds: float, most: int) -> list[Snapshot]:
        """Return the newest ``most`` of those written in the last ``seconds``."""
        since = {"$expr": {"$gt": ["$at", after(-seconds)]}, "at": {"$type": "date"}}
        aged = {"figures": 1, "age": {"$subtract": ["$$NOW", "$at"]}}
        found = self._snapshots.aggregate(
            [{"$match": since}, {"$sort": {"at": -1}}, {"$limit": most}, {"$project": aged}]
        )
        return [
            Snapshot(each["_id"], max(0, each["age"]) / 1000, each.get("figures"))
            async for each in found
            if _is_name(each["_id"])
        ]


def _is_name(worker: object) -> bool:
    return isinstance(worker, str) and 0 < len(worker) <= _LONGEST and worker.isprintable()
