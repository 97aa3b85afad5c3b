"""Retention: delete the bytes of results that expired or lost their last name; keep the history.

Each step is one conditional update of a task, or may be repeated: housekeeping may be killed at any
point, and two concurrent runs do no more than one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument

from models.settings import Settings
from models.store.files.gridfs import FileBucket
from models.store.mongo.repository import Document, Repository, upsert
from models.store.tasks.transitions import release_results
from models.tasks.task import Status, Task

_STATE_ID = "retention"
_SAVE_EVERY_TASKS = 200  # tasks after which the position is saved
_OVERLAP = timedelta(minutes=1)  # scanned again: a task that finished at the mark may appear late


class Retention(Repository, collection="state"):
    """Releases results; their files are deleted DELETE_GRACE_SECONDS later."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._results = FileBucket(database, settings, "results")

    async def expire(self, seconds: float) -> int:
        """Release the results of tasks that ended more than ``seconds`` ago; return how many tasks.

        It scans by end time and saves its position.
        """
        limit = await self._server_now() - timedelta(seconds=seconds)
        query: Document = {"status": Status.SUCCESS, "finished_at": {"$lt": limit}}
        known = await self._collection.find_one({"_id": _STATE_ID})
        if known is not None:
            query["finished_at"]["$gte"] = known["mark"] - _OVERLAP
        change = [{"$set": release_results(self._settings.delete_grace_seconds, "expired")}]
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
        grace = self._settings.delete_grace_seconds
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
