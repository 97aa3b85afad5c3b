"""Workers: heartbeats, by which they also learn whether to drain, and their latest metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from bson.binary import Binary
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import WriteConcern
from pymongo.read_concern import ReadConcern

from models.settings import Settings
from models.store.mongo.repository import Document, Repository, now_plus, upsert
from models.tasks.needs import Abilities

HEARTBEAT_TIMEOUT_SECONDS = 6.0  # three heartbeats: a worker silent for longer counts as dead
_MAX_NAME_CHARACTERS = 300


def _seen_within(seconds: float) -> dict[str, Any]:
    """Return the query for workers seen in the last ``seconds``."""
    return {"$expr": {"$gt": ["$seen_at", now_plus(-seconds)]}}


_ALIVE = _seen_within(HEARTBEAT_TIMEOUT_SECONDS)


def capacity_pipeline() -> list[Document]:
    """Return the query for ``workers`` and ``places``, the tasks that they run at once.

    Of those that are alive; workers that are draining do not count.
    """
    query = {**_ALIVE, "drain": {"$ne": True}}
    sums = {"workers": {"$sum": 1}, "places": {"$sum": {"$ifNull": ["$places", 1]}}}
    return [{"$match": query}, {"$group": {"_id": None, **sums}}]


class WorkerRegistry(Repository, collection="workers"):
    """The collection ``workers``: {_id: worker, seen_at, engine, drain, status fields}."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        # A heartbeat that is lost with a server is followed by the next: it waits for no majority.
        self._heartbeats = self._collection.with_options(write_concern=WriteConcern(w=1))

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
        heartbeats = self._collection if first else self._heartbeats
        return bool((await upsert(heartbeats, {"_id": worker}, change)).get("drain"))

    async def set_drain(self, worker: str, *, drain: bool) -> bool:
        """Ask ``worker`` to take no new tasks, or to take them again; False if unknown."""
        change = {"$set": {"drain": True}} if drain else {"$unset": {"drain": ""}}
        return (await self._collection.update_one({"_id": worker}, change)).matched_count == 1

    async def entries(self, seconds: float, limit: int) -> list[dict[str, Any]]:
        """Return the entries of workers seen in the last ``seconds``; ``silent``: seconds since."""
        query = _seen_within(seconds)
        silence = {"silent": {"$divide": [{"$subtract": ["$$NOW", "$seen_at"]}, 1000]}}
        cursor = self._collection.aggregate(
            [{"$match": query}, {"$sort": {"seen_at": -1}}, {"$limit": limit}, {"$set": silence}]
        )
        return sorted([entry async for entry in cursor], key=lambda entry: str(entry["_id"]))

    async def remove(self, worker: str) -> None:
        await self._collection.delete_one({"_id": worker})

    async def count_alive(self, host: str = "") -> int:
        """Return the number of living workers, of ``host`` if given."""
        of_host = {"_id": {"$regex": f"^{re.escape(host)}:"}} if host else {}
        return await self._collection.count_documents({**_ALIVE, **of_host})

    async def network_seconds(self) -> list[float]:
        """Return what self-tests of living workers took for a million pixels, bundled network."""
        query = {**_ALIVE, "network_seconds": {"$gt": 0}}
        found = self._collection.find(query, {"network_seconds": 1})
        return [float(entry["network_seconds"]) async for entry in found]

    async def names(self) -> set[str]:
        """Return the names of the living workers."""
        return {str(entry["_id"]) async for entry in self._collection.find(_ALIVE, {"_id": 1})}

    async def abilities(self) -> set[Abilities] | None:
        """Return what the living workers can do.

        None if one of them does not say so: a worker of an older version does all that it gets.
        """
        found = self._collection.find(_ALIVE, {"abilities": 1})
        each = [entry.get("abilities") async for entry in found]
        return None if None in each else {Abilities.model_validate(one) for one in each}

    async def engines(self) -> dict[str, int]:
        """Return the number of living workers of each engine."""
        query = {**_ALIVE, "engine": {"$gt": ""}}
        by_engine = {"_id": "$engine", "workers": {"$sum": 1}}
        counted = self._collection.aggregate([{"$match": query}, {"$group": by_engine}])
        return dict(sorted([(entry["_id"], entry["workers"]) async for entry in counted]))


class MetricSnapshot(NamedTuple):
    """A snapshot with its age in seconds; its content is not validated."""

    worker: str
    age: float
    figures: object


class MetricSnapshots(Repository, collection="snapshots"):
    """The collection ``snapshots``: {_id: worker, at, figures}, separate from the worker registry.

    A worker that ends leaves ``workers`` at once; its counters are served for some time after.
    """

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        # A server loses at most a few seconds of snapshots: no need to wait for a majority, neither
        # when they are written nor before they are read.
        self._snapshots = self._collection.with_options(
            write_concern=WriteConcern(w=1), read_concern=ReadConcern("local")
        )

    async def put(self, worker: str, figures: bytes) -> None:
        change = {"$currentDate": {"at": True}, "$set": {"figures": Binary(figures)}}
        await self._snapshots.update_one({"_id": worker}, change, upsert=True)

    async def recent(self, seconds: float, limit: int) -> list[MetricSnapshot]:
        """Return the newest ``limit`` of those written in the last ``seconds``."""
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
