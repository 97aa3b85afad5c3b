"""Counts in MongoDB and Redis, by separate drivers rather than Darkroom's own code."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from redis import Redis

from bench.soak.darkroom import Darkroom
from models.redis.rate_limiter import RATE_LIMIT_PREFIX
from models.replica_set import embedded_mongo_url
from standalone.embedded_stores import redis_url

_BUCKETS = ("originals", "results", "intermediates")
_ENDED = ("SUCCESS", "FAILURE", "CANCELLED")


class StoreStats:
    """Counts documents and keys; its methods block."""

    def __init__(self, darkroom: Darkroom) -> None:
        self._mongo: MongoClient[dict[str, Any]] = MongoClient(
            embedded_mongo_url(darkroom.data_dir), directConnection=True
        )
        self._database = self._mongo["darkroom"]
        self._redis = Redis.from_url(redis_url(darkroom.data_dir))

    def close(self) -> None:
        self._mongo.close()
        self._redis.close()

    def measure(self) -> dict[str, int]:
        """Return figures that must not grow: Redis keys and bytes, GridFS documents, open tasks."""
        memory = self._redis.info("memory")
        assert isinstance(memory, dict)
        found = {"Redis: keys": self._keys(), "Redis: memory": int(memory["used_memory"])}
        for bucket in _BUCKETS:
            for part in ("files", "chunks"):
                name = f"{bucket}.{part}"
                found[f"MongoDB: {name}"] = self._database[name].estimated_document_count()
        found["MongoDB: tasks not ended"] = self._open()
        return found

    def collection_counts(self) -> dict[str, int]:
        """Return the number of documents in each other collection; a task keeps its document."""
        names = self._database.list_collection_names()
        return {
            name: self._database[name].estimated_document_count()
            for name in sorted(names)
            if not name.startswith((*_BUCKETS, "system."))
        }

    def lost(self, promised: set[str]) -> set[str]:
        """Return which of these tasks are not in the ledger, or never ended."""
        ended = self._database["tasks"].find({"status": {"$in": _ENDED}}, {"_id": 1})
        return promised - {str(task["_id"]) for task in ended}

    def status_counts(self) -> dict[str, int]:
        """Return the number of tasks by status."""
        pipeline = [{"$group": {"_id": "$status", "count": {"$sum": 1}}}]
        return {each["_id"]: each["count"] for each in self._database["tasks"].aggregate(pipeline)}

    def _open(self) -> int:
        return self._database["tasks"].count_documents({"status": {"$nin": _ENDED}})

    def _keys(self) -> int:
        """Return the number of keys without those of rate limits: some for each address."""
        keys = self._redis.scan_iter(count=1000)
        return sum(not key.startswith(f"{RATE_LIMIT_PREFIX}:".encode()) for key in keys)
