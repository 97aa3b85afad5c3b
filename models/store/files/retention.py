"""Deletion of files: results that expired or lost their last name, and orphans of dead processes.

Each step of retention is one conditional update of a task, or may be repeated: housekeeping may be
killed at any point, and two concurrent runs do no more than one. The history of results is kept.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

from bson import ObjectId
from pymongo import ReturnDocument

from models.settings import Settings
from models.store.files.gridfs import FileBucket
from models.store.mongo.repository import Document, Repository, upsert
from models.store.tasks.transitions import owning_task, release_results
from models.tasks.task import Status, Task

# Bytes of no task are deleted after this many DELETE_GRACE_SECONDS, an hour by default: a worker
# that was frozen while it stored a result must not lose it.
_ORPHAN_GRACES = 6

_STATE_ID = "retention"
_SAVE_EVERY_TASKS = 200  # tasks after which the position is saved
_BUCKETS = ("originals", "results", "intermediates")
_OVERLAP = timedelta(minutes=1)  # scanned again: a task that finished at the mark may appear late


def orphan_age(settings: Settings) -> timedelta:
    """Return the age from which a file without an owner is an orphan: its writer is dead."""
    return timedelta(seconds=_ORPHAN_GRACES * settings.retention.delete_grace_seconds)


class Retention(Repository, collection="state"):
    """Releases results; their files are deleted DELETE_GRACE_SECONDS later."""

    @cached_property
    def _results(self) -> FileBucket:
        return FileBucket(self._database, self._settings, "results")

    async def expire(self, seconds: float) -> int:
        """Release the results of tasks that ended more than ``seconds`` ago; return how many tasks.

        It scans by end time and saves its position.
        """
        limit = await self._server_now() - timedelta(seconds=seconds)
        query: Document = {"status": Status.SUCCESS, "finished_at": {"$lt": limit}}
        known = await self._collection.find_one({"_id": _STATE_ID})
        if known is not None:
            query["finished_at"]["$gte"] = known["mark"] - _OVERLAP
        change = [
            {"$set": release_results(self._settings.retention.delete_grace_seconds, "expired")}
        ]
        count = scanned = 0
        cursor = self._tasks.find(query, {"finished_at": 1, "results": 1}).sort("finished_at", 1)
        async for document in cursor:
            if any(not result.get("gone") for result in document["results"]):
                same = {k: document[k] for k in ("_id", "finished_at")} | {"status": Status.SUCCESS}
                count += (await self._tasks.update_one(same, change)).modified_count
            scanned += 1
            if scanned % _SAVE_EVERY_TASKS == 0:
                await self._save_progress(document["finished_at"])
        await self._save_progress(limit)
        return count

    async def _save_progress(self, mark: datetime) -> None:
        # Also backwards: the clock may have been set, or RESULT_TTL made longer.
        await upsert(self._collection, {"_id": _STATE_ID}, {"$set": {"mark": mark}})

    async def delete_name(
        self, task_id: str, name: str, part: int, sha256: str | None = None
    ) -> Task | None:
        """Delete a name of a result, and release the result if that was its last name.

        ``sha256``: only if the result has that hash. Returns the changed task; None if its status
        is not SUCCESS, the name is already deleted, or the result is another.
        """
        query: Document = {
            "_id": task_id,
            "status": Status.SUCCESS,
            "deleted.name": {"$ne": name},
            f"results.{part}": {"$exists": True},
        }
        if sha256 is not None:
            query |= {f"results.{part}.sha256": sha256, f"results.{part}.gone": None}
        deleted = {"$concatArrays": ["$deleted", [{"name": {"$literal": name}, "at": "$$NOW"}]]}
        of_part = {"$arrayElemAt": ["$$each", part]}
        grace = self._settings.retention.delete_grace_seconds
        names = {"$map": {"input": "$uploads.results", "as": "each", "in": of_part}}
        remaining_names = {"$setDifference": [names, "$deleted.name"]}
        is_this_result = {"$eq": ["$$each.file_id", {"$arrayElemAt": ["$results.file_id", part]}]}
        is_last_name = {"$and": [{"$eq": [{"$size": remaining_names}, 0]}, is_this_result]}
        document = await self._tasks.find_one_and_update(
            query,
            [
                {"$set": {"deleted": {"$ifNull": ["$deleted", []]}}},
                {"$set": {"deleted": deleted}},
                {"$set": release_results(grace, "deleted", is_last_name)},
            ],
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    async def delete_released(self) -> int:
        """Delete released files whose grace period is over; return their number."""
        limit = await self._server_now()
        count = 0
        async for document in self._tasks.find({"waste.until": {"$lt": limit}}, {"waste": 1}):
            due = [entry["file_id"] for entry in document["waste"] if entry["until"] < limit]
            for file_id in due:
                await self._results.delete(file_id)
            # Only now: after a crash the next call finds the rest here.
            await self._tasks.update_one(
                {"_id": document["_id"]}, {"$pull": {"waste": {"file_id": {"$in": due}}}}
            )
            count += len(due)
        return count


class OrphanCollector(Repository, collection="state"):
    """Collects orphans, files of that age without an owner, scanning each bucket forward by age.

    The collection ``state`` holds the position, so a pass costs what was written since the last.
    """

    @cached_property
    def _results(self) -> FileBucket:
        return FileBucket(self._database, self._settings, "results")

    async def collect(self) -> int:
        """Delete orphans; return the number of files and chunk sets.

        Concurrent callers repeat the same scan, which is harmless.
        """
        grace = orphan_age(self._settings)
        until = ObjectId.from_datetime(await self._server_now() - grace)
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
            elif not await self._is_owned(task_id, file_id):
                await self._results.delete(file_id)
                count += 1
        return count, spared

    async def _is_owned(self, task_id: str, file_id: ObjectId) -> bool:
        owner = owning_task(task_id, file_id)
        if await self._tasks.find_one(owner, {"_id": 1}) is not None:
            return True
        # A primary that was just elected may not see yet that it was published.
        return await self._catch_up() and await self._tasks.find_one(owner, {"_id": 1}) is not None

    async def _delete_partial_files(self, bucket: str, since: ObjectId, until: ObjectId) -> int:
        """Delete chunks without a files entry: their writer died before the end."""
        chunks = self._database[f"{bucket}.chunks"]
        pipeline: list[Document] = [
            # By the file's id, which has MongoDB's time; those of chunks have their writer's.
            {"$match": {"files_id": {"$gte": since, "$lt": until}, "n": 0}},
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
