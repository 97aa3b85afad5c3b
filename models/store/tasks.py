"""The ledger of tasks as the service sees it: asked for, looked up, watched.

Every change of state is one conditional update, timed by the server; those of workers are in
``leases``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from models.errors import StoreUnavailable
from models.store.guard import guarded, unavailable
from models.task import AGAIN, ENDED, Status, Task, Upload

Document = dict[str, Any]

_FRESH: Document = {
    "status": Status.CREATED,
    "progress": 0,
    "attempts": 0,
    "lease": None,
    "results": [],
    "error": None,
    "report": None,
    "started_at": None,
    "finished_at": None,
}


class Tasks:
    """The collection ``tasks``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._tasks = collection

    async def prepare(self) -> None:
        await self._tasks.create_index(
            [("uploads.name", ASCENDING), ("status", ASCENDING), ("finished_at", DESCENDING)]
        )

    @guarded
    async def get(self, task_id: str) -> Task | None:
        document = await self._tasks.find_one({"_id": task_id})
        return Task.model_validate(document) if document else None

    @guarded
    async def many(self, task_ids: Sequence[str]) -> dict[str, Task]:
        """Return those of the tasks that there are, by id."""
        cursor = self._tasks.find({"_id": {"$in": list(task_ids)}})
        return {str(d["_id"]): Task.model_validate(d) async for d in cursor}

    @guarded
    async def newest(self, upload_name: str) -> Task | None:
        """Return the task that finished last of those whose upload had that name."""
        document = await self._tasks.find_one(
            {"uploads.name": upload_name, "status": Status.SUCCESS},
            sort=[("finished_at", DESCENDING)],
        )
        return Task.model_validate(document) if document else None

    @guarded
    async def create(
        self,
        fingerprint: str,
        *,
        original_id: ObjectId,
        original_sha256: str,
        upload: Upload,
        operations: Sequence[Document],
        output: str,
        report: bool = False,
    ) -> bool:
        """Insert a task if there is none of that fingerprint; tell whether it was inserted."""
        task_id = fingerprint[:32]
        document = {
            **_FRESH,
            "_id": task_id,
            "fingerprint": fingerprint,
            "original_id": original_id,
            "original_sha256": original_sha256,
            "uploads": [upload.model_dump()],
            "operations": list(operations),
            "format": output,
            "rings": 0,
            "wants_report": report,
        }
        times = {"created_at": "$$NOW", "asked_at": "$$NOW", "rung_at": "$$NOW"}
        fresh = {"$mergeObjects": [{"$literal": document}, times]}
        missing = {"$eq": [{"$type": "$fingerprint"}, "missing"]}
        try:
            answer = await self._tasks.update_one(
                {"_id": task_id},
                [{"$replaceWith": {"$cond": [missing, fresh, "$$ROOT"]}}],
                upsert=True,
            )
        except DuplicateKeyError:  # two upserts at once: the other one won
            return False
        return answer.upserted_id is not None

    @guarded
    async def revive(self, task_id: str) -> bool:
        """Start a failed or cancelled task anew; tell whether this call did."""
        answer = await self._tasks.update_one(
            {"_id": task_id, "status": {"$in": list(AGAIN)}},
            {"$set": _FRESH, "$currentDate": {"asked_at": True}},
        )
        return answer.modified_count == 1

    @guarded
    async def cancel(self, task_id: str, error: Document) -> Task | None:
        """End a task that has not ended, and its lease; None if there is none or it has ended.

        The worker that holds it is fenced from then on: nothing it does can make it SUCCESS.
        """
        document = await self._tasks.find_one_and_update(
            {"_id": task_id, "status": {"$nin": list(ENDED)}},
            [
                {
                    "$set": {
                        "status": Status.CANCELLED,
                        "error": {"$literal": error},
                        "lease": None,
                        "finished_at": "$$NOW",
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    @guarded
    async def add_upload(self, task_id: str, upload: Upload, limit: int) -> bool:
        """Add a second name for the same bytes; False if known already or ``limit`` are kept."""
        answer = await self._tasks.update_one(
            {
                "_id": task_id,
                "uploads.name": {"$ne": upload.name},
                f"uploads.{limit - 1}": {"$exists": False},
            },
            {"$push": {"uploads": upload.model_dump()}},
        )
        return answer.modified_count == 1

    @asynccontextmanager
    async def endings(
        self, statuses: Collection[Status] = ENDED
    ) -> AsyncIterator[AsyncIterator[str]]:
        """Give the ids of tasks as they end in one of ``statuses``, by one change stream.

        Raises:
            StoreUnavailable: the stream broke; ids may have been missed.
        """
        ended = {"updateDescription.updatedFields.status": {"$in": list(statuses)}}
        try:
            async with self._tasks.watch([{"$match": ended}], max_await_time_ms=1000) as stream:
                await stream.try_next()  # opened now, not at the first wait: nothing slips between
                yield (change["documentKey"]["_id"] async for change in stream)
        except PyMongoError as error:
            if not unavailable(error) and not error.has_error_label("ResumableChangeStreamError"):
                raise
            raise StoreUnavailable("the change stream broke", store="mongodb") from error
