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

from models.auth.visibility import EVERYTHING, View
from models.errors import StoreUnavailable
from models.store.mongo.errors import guarded, unavailable
from models.store.tasks.release import AGAIN, FRESH, revived
from models.store.tasks.timeline import told
from models.tasks.task import ENDED, Status, Task, Upload, What

Document = dict[str, Any]

_WALK = 100  # tasks of one upload name that are looked through for one whose result is there


class Tasks:
    """The collection ``tasks``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document], grace: float) -> None:
        """``grace``: seconds bytes stay after a task let go of them."""
        self._tasks = collection
        self._grace = grace

    async def prepare(self) -> None:
        await self._tasks.create_index(
            [
                ("owner", ASCENDING),
                ("uploads.name", ASCENDING),
                ("status", ASCENDING),
                ("finished_at", DESCENDING),
            ]
        )
        await self._tasks.create_index(  # of those who see everything
            [("uploads.name", ASCENDING), ("status", ASCENDING), ("finished_at", DESCENDING)]
        )

    @guarded
    async def get(self, task_id: str, view: View = EVERYTHING) -> Task | None:
        document = await self._tasks.find_one({"_id": task_id, **view.query()})
        return Task.model_validate(document) if document else None

    @guarded
    async def many(self, task_ids: Sequence[str], view: View = EVERYTHING) -> dict[str, Task]:
        """Return those of the tasks that there are, by id."""
        cursor = self._tasks.find({"_id": {"$in": list(task_ids)}, **view.query()})
        return {str(d["_id"]): Task.model_validate(d) async for d in cursor}

    @guarded
    async def newest(self, upload_name: str, view: View = EVERYTHING) -> Task | None:
        """Return the task that finished last of those whose upload had that name.

        One whose result was deleted is passed over. One whose time is up is not: all before it are
        older. Beyond _WALK of them nothing is looked for: who deletes much must not make every
        look-up walk through all of it.
        """
        query = {**view.query(), "uploads.name": upload_name, "status": Status.SUCCESS}
        found = self._tasks.find(query).sort("finished_at", DESCENDING).limit(_WALK)
        async for document in found:
            task = Task.model_validate(document)
            gone = task.gone(task.upload(upload_name).results[0], 0)
            if gone is None or gone.reason == "expired":
                return task
        return None

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
        owner: str = "",
        client: str = "",
        turn: int = 0,
    ) -> bool:
        """Insert a task if there is none of that fingerprint; tell whether it was inserted."""
        task_id = fingerprint[:32]
        document = {
            **FRESH,
            "_id": task_id,
            "fingerprint": fingerprint,
            "original_id": original_id,
            "original_sha256": original_sha256,
            "uploads": [upload.model_dump()],
            "operations": list(operations),
            "format": output,
            "owner": owner,
            "client": client,
            "turn": turn,
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
    async def revive(
        self,
        task_id: str,
        original_id: ObjectId | None = None,
        client: str = "",
        turn: int = 0,
    ) -> bool:
        """Start a task anew that failed, was cancelled, or whose result is gone.

        ``original_id``: what it is to work at from now on, if not what it was. ``client`` asks for
        it now, ``turn`` is its new one. Tells whether this call did it: of many at once one does.
        """
        change = {
            **revived(self._grace),
            "client": {"$literal": client},
            "turn": turn,
            "asked_at": "$$NOW",
        }
        if original_id is not None:
            change["original_id"] = original_id
        answer = await self._tasks.update_one({"_id": task_id, **AGAIN}, [{"$set": change}])
        return answer.modified_count == 1

    @guarded
    async def restore(self, task_id: str, names: Sequence[str] | None = None) -> None:
        """Take back that ``names`` (or all) of a task's results were deleted: asked for again."""
        kept = {} if names is None else {"name": {"$in": list(names)}}
        await self._tasks.update_one(
            {"_id": task_id, "deleted.0": {"$exists": True}}, {"$pull": {"deleted": kept}}
        )

    @guarded
    async def cancel(self, task_id: str, error: Document, view: View = EVERYTHING) -> Task | None:
        """End a task that has not ended, and its lease; None if there is none or it has ended.

        The worker that holds it is fenced from then on: nothing it does can make it SUCCESS.
        """
        document = await self._tasks.find_one_and_update(
            {"_id": task_id, **view.query(), "status": {"$nin": list(ENDED)}},
            [
                {
                    "$set": {
                        **told(What.CANCELLED),
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
