"""The ledger of tasks: every change of state is one conditional update, timed by the server.

MongoDB's own clock (``$$NOW``) decides when a lease ends, so clocks of workers may differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from models.errors import StoreUnavailable
from models.store.guard import guarded, unavailable
from models.task import AGAIN, ENDED, Result, Status, Task, Upload

Document = dict[str, Any]

_LEASE_OVER = {"$expr": {"$lt": ["$lease.until", "$$NOW"]}}
_FRESH: Document = {
    "status": Status.CREATED,
    "progress": 0,
    "attempts": 0,
    "lease": None,
    "results": [],
    "error": None,
    "started_at": None,
    "finished_at": None,
}
_EPOCH = datetime.fromtimestamp(0, UTC)
_BATCH = 1000  # tasks one sweep looks at: bounds its work whatever the backlog


def _after(seconds: float) -> Document:
    return {"$add": ["$$NOW", round(seconds * 1000)]}


class Tasks:
    """The collection ``tasks``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._tasks = collection

    async def prepare(self) -> None:
        await self._tasks.create_index([("status", ASCENDING), ("rung_at", ASCENDING)])
        await self._tasks.create_index(
            [("uploads.name", ASCENDING), ("status", ASCENDING), ("finished_at", DESCENDING)]
        )

    # What the service does

    @guarded
    async def get(self, task_id: str) -> Task | None:
        document = await self._tasks.find_one({"_id": task_id})
        return Task.model_validate(document) if document else None

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
        }
        times = {"created_at": "$$NOW", "rung_at": "$$NOW"}
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
        again = {**_FRESH, "rings": {"$add": ["$rings", 1]}, "rung_at": "$$NOW"}
        answer = await self._tasks.update_one(
            {"_id": task_id, "status": {"$in": list(AGAIN)}}, [{"$set": again}]
        )
        return answer.modified_count == 1

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
    async def endings(self) -> AsyncIterator[AsyncIterator[str]]:
        """Give the ids of tasks as they end, from all workers, by one change stream.

        Raises:
            StoreUnavailable: the stream broke; ids may have been missed.
        """
        ended = {"updateDescription.updatedFields.status": {"$in": list(ENDED)}}
        try:
            async with self._tasks.watch([{"$match": ended}], max_await_time_ms=1000) as stream:
                await stream.try_next()  # opened now, not at the first wait: nothing slips between
                yield (change["documentKey"]["_id"] async for change in stream)
        except PyMongoError as error:
            if not unavailable(error) and not error.has_error_label("ResumableChangeStreamError"):
                raise
            raise StoreUnavailable("the change stream broke", store="mongodb") from error

    # What a worker does

    @guarded
    async def claim(
        self, task_id: str, *, worker: str, token: str, seconds: float, max_attempts: int
    ) -> Task | None:
        """Take a task that nobody works at; None if it is taken, ended or out of attempts."""
        lease = {"worker": worker, "token": token, "until": _after(seconds)}
        document = await self._tasks.find_one_and_update(
            {
                "_id": task_id,
                "attempts": {"$lt": max_attempts},
                "$or": [{"status": Status.CREATED}, {"status": Status.STARTED, **_LEASE_OVER}],
            },
            [
                {
                    "$set": {
                        "status": Status.STARTED,
                        "started_at": {"$ifNull": ["$started_at", "$$NOW"]},
                        "attempts": {"$add": ["$attempts", 1]},
                        "progress": 0,
                        "lease": lease,
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    async def _held(self, task_id: str, token: str, change: Document) -> bool:
        """Change a task if ``token`` still holds it; a zombie changes nothing."""
        answer = await self._tasks.update_one(
            {"_id": task_id, "status": Status.STARTED, "lease.token": token}, [{"$set": change}]
        )
        return answer.matched_count == 1

    @guarded
    async def extend(self, task_id: str, token: str, *, seconds: float, progress: int) -> bool:
        change = {"lease": {"until": _after(seconds)}, "progress": progress}
        return await self._held(task_id, token, change)

    @guarded
    async def finish(self, task_id: str, token: str, results: Sequence[Result]) -> bool:
        change = {
            "status": Status.SUCCESS,
            "progress": 100,
            "results": {"$literal": [result.model_dump() for result in results]},
            "error": None,
            "lease": None,
            "finished_at": "$$NOW",
        }
        return await self._held(task_id, token, change)

    @guarded
    async def fail(self, task_id: str, token: str, error: Document) -> bool:
        change = {
            "status": Status.FAILURE,
            "error": {"$literal": error},
            "lease": None,
            "finished_at": "$$NOW",
        }
        return await self._held(task_id, token, change)

    @guarded
    async def release(self, task_id: str, token: str, *, charge: bool) -> bool:
        """Hand a task back to be rung again; the attempt counts only where ``charge`` is true."""
        change = {
            "status": Status.CREATED,
            "progress": 0,
            "lease": None,
            "rung_at": None,
            "attempts": {"$subtract": ["$attempts", 0 if charge else 1]},
        }
        return await self._held(task_id, token, change)

    # What the sweep and the supervisor do

    @guarded
    async def expire(self, worker: str) -> int:
        """End the leases of a worker that is known to be dead; return how many there were."""
        past = {"lease": {"until": _after(-0.001)}}
        answer = await self._tasks.update_many(
            {"status": Status.STARTED, "lease.worker": worker}, [{"$set": past}]
        )
        return answer.modified_count

    @guarded
    async def stalled(self) -> list[Task]:
        """Return tasks whose worker fell silent."""
        return await self._many({"status": Status.STARTED, **_LEASE_OVER})

    @guarded
    async def waiting(self, seconds: float) -> list[Task]:
        """Return created tasks whose bell was not seen to ring for ``seconds``, longest first."""
        rung = {"$ifNull": ["$rung_at", _EPOCH]}
        quiet = {"$expr": {"$lt": [rung, _after(-seconds)]}}
        return await self._many({"status": Status.CREATED, **quiet})

    async def _many(self, query: Document) -> list[Task]:
        cursor = self._tasks.find(query).sort("rung_at", ASCENDING).limit(_BATCH)
        return [Task.model_validate(document) async for document in cursor]

    @guarded
    async def seen_ringing(self, task_ids: Sequence[str]) -> None:
        await self._tasks.update_many(
            {"_id": {"$in": list(task_ids)}}, [{"$set": {"rung_at": "$$NOW"}}]
        )

    @guarded
    async def next_ring(self, task_id: str) -> int:
        """Return a ring number never used for this task: arq remembers the ids of dead jobs."""
        document = await self._tasks.find_one_and_update(
            {"_id": task_id},
            [{"$set": {"rings": {"$add": ["$rings", 1]}, "rung_at": "$$NOW"}}],
            return_document=ReturnDocument.AFTER,
        )
        return int(document["rings"]) if document else 0

    @guarded
    async def give_up(self, task_id: str, max_attempts: int, error: Document) -> bool:
        """Fail a task whose attempts are used up and whose worker is gone."""
        answer = await self._tasks.update_one(
            {
                "_id": task_id,
                "attempts": {"$gte": max_attempts},
                "$or": [{"status": Status.CREATED}, {"status": Status.STARTED, **_LEASE_OVER}],
            },
            [
                {
                    "$set": {
                        "status": Status.FAILURE,
                        "error": {"$literal": error},
                        "lease": None,
                        "finished_at": "$$NOW",
                    }
                }
            ],
        )
        return answer.modified_count == 1
