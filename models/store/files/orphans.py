"""Bytes that belong to nothing: what dead processes left half written, or never took up."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError

from models.store.files.gridfs import Files
from models.store.mongo.errors import guarded
from models.store.tasks.release import owner

_BUCKETS = ("originals", "results", "intermediates")


class Orphans:
    """Collects orphans older than ``grace``, walking forward through each bucket by age.

    ``state`` remembers how far the walk has come, so a pass costs what was written since the last.
    """

    def __init__(
        self, database: AsyncIOMotorDatabase[dict[str, Any]], results: Files, grace: timedelta
    ) -> None:
        self._database = database
        self._results = results
        self._grace = grace

    @guarded
    async def collect(self) -> int:
        """Delete orphans; return how many files and chunk sets that were.

        Several callers at once do the same walk twice, which does no harm.
        """
        state = self._database["state"]
        until = ObjectId.from_datetime(datetime.now(UTC) - self._grace)
        known = await state.find_one({"_id": "orphans"})
        since = ObjectId(known["mark"]) if known else ObjectId("0" * 24)
        # Half a grace period is the least worth a walk.
        if since.generation_time > until.generation_time - self._grace / 2:
            return 0
        total = 0
        for bucket in _BUCKETS:
            total += await self._half_written(bucket, since, until)
        deleted, spared = await self._unowned(since, until)
        total += deleted
        until = spared or until
        # Only now: a walk that was broken off is walked again.
        with contextlib.suppress(DuplicateKeyError):  # two first ones at once: either will do
            await state.update_one({"_id": "orphans"}, {"$set": {"mark": until}}, upsert=True)
        return total

    async def _unowned(self, since: ObjectId, until: ObjectId) -> tuple[int, ObjectId | None]:
        """Delete results that their task does not list: their worker died before it could publish.

        Returns how many, and the first that was spared: its attempt may publish it yet, however
        long its machine slept, as long as nobody else has taken the task. An original without a
        task stays: the next upload of the same bytes takes it up.
        """
        files, tasks = self._database["results.files"], self._database["tasks"]
        count, spared = 0, None
        walk = files.find({"_id": {"$gte": since, "$lt": until}}, {"metadata": 1}).sort("_id", 1)
        async for document in walk:
            file_id, task_id = document["_id"], document["metadata"]["task_id"]
            token = document["metadata"].get("token")
            held = {"_id": task_id, "lease.token": {"$eq": token, "$type": "string"}}
            # In this order: one that is published between the two looks is found by the second.
            if await tasks.find_one(held, {"_id": 1}) is not None:
                spared = spared or file_id
            elif await tasks.find_one(owner(task_id, file_id), {"_id": 1}) is None:
                await self._results.delete(file_id)
                count += 1
        return count, spared

    async def _half_written(self, bucket: str, since: ObjectId, until: ObjectId) -> int:
        """Delete chunks whose file entry was never written: their writer died before the end."""
        chunks = self._database[f"{bucket}.chunks"]
        pipeline: list[dict[str, Any]] = [
            {"$match": {"_id": {"$gte": since, "$lt": until}, "n": 0}},
            {"$project": {"files_id": 1}},
            {
                "$lookup": {
                    "from": f"{bucket}.files",
                    "localField": "files_id",
                    "foreignField": "_id",
                    "as": "file",
                }
            },
            {"$match": {"file": []}},
        ]
        count = 0
        async for orphan in chunks.aggregate(pipeline):
            await chunks.delete_many({"files_id": orphan["files_id"]})
            count += 1
        return count
