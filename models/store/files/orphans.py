"""Orphan collection: partial uploads and unpublished results of dead processes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase

from models.settings import Settings
from models.store.files.gridfs import FileBucket
from models.store.mongo.repository import Document, Repository, upsert
from models.store.tasks.transitions import owning_task

_BUCKETS = ("originals", "results", "intermediates")


class OrphanCollector(Repository, collection="state"):
    """Collects orphans older than ORPHAN_AGE_SECONDS, scanning each bucket forward by age.

    The collection ``state`` holds the position, so a pass costs what was written since the last.
    """

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._results = FileBucket(database, settings, "results")

    async def collect(self) -> int:
        """Delete orphans; return the number of files and chunk sets.

        Concurrent callers repeat the same scan, which is harmless.
        """
        grace = timedelta(seconds=self._settings.orphan_age_seconds)
        until = ObjectId.from_datetime(datetime.now(UTC) - grace)
        state_document = await self._collection.find_one({"_id": "orphans"})
        since = ObjectId(state_document["mark"]) if state_document else ObjectId("0" * 24)
        # Less than half a grace period is not worth a scan.
        if since.generation_time > until.generation_time - grace / 2:
            return 0
        total = 0
        for bucket in _BUCKETS:
            total += await self._delete_partial_files(bucket, since, until)
        deleted, spared = await self._delete_unlisted_results(since, until)
        total += deleted
        until = spared or until
        # Only now: an interrupted scan is repeated.
        await upsert(self._collection, {"_id": "orphans"}, {"$set": {"mark": until}})
        return total

    async def _delete_unlisted_results(
        self, since: ObjectId, until: ObjectId
    ) -> tuple[int, ObjectId | None]:
        """Delete results that their task does not list: their worker died before it could publish.

        Returns their number, and the first result that was spared: its attempt may still publish
        it, however long its machine slept, as long as no other worker has claimed the task. An
        original without a task stays: the next upload of the same bytes reuses it.
        """
        files, tasks = self._database["results.files"], self._tasks
        count, spared = 0, None
        cursor = files.find({"_id": {"$gte": since, "$lt": until}}, {"metadata": 1}).sort("_id", 1)
        async for document in cursor:
            file_id, task_id = document["_id"], document["metadata"]["task_id"]
            token = document["metadata"].get("token")
            held = {"_id": task_id, "lease.token": {"$eq": token, "$type": "string"}}
            # In this order: a result published between the two queries is found by the second.
            if await tasks.find_one(held, {"_id": 1}) is not None:
                spared = spared or file_id
            elif await tasks.find_one(owning_task(task_id, file_id), {"_id": 1}) is None:
                await self._results.delete(file_id)
                count += 1
        return count, spared

    async def _delete_partial_files(self, bucket: str, since: ObjectId, until: ObjectId) -> int:
        """Delete chunks without a files entry: their writer died before the end."""
        chunks = self._database[f"{bucket}.chunks"]
        pipeline: list[Document] = [
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
