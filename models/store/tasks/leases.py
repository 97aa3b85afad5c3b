"""Who works at which task: claims, leases, and what is done about those who fell silent.

MongoDB's own clock (``$$NOW``) decides when a lease ends, so clocks of workers may differ. Whoever
claims gets a lease under a token of its own; only that token can extend, finish, fail or release.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from motor.core import AgnosticBaseCursor
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, ReturnDocument

from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after
from models.store.tasks.timeline import told, told_after_lease
from models.tasks.task import Result, Status, Task, What

Document = dict[str, Any]
Stages = Mapping[str, float]

_LEASE_OVER = {"$expr": {"$lt": ["$lease.until", "$$NOW"]}}
_FREE = {"$or": [{"status": Status.CREATED}, {"status": Status.STARTED, **_LEASE_OVER}]}
_EPOCH = datetime.fromtimestamp(0, UTC)
_BATCH = 1000  # tasks one sweep looks at: bounds its work whatever the backlog


def failure(error: Document) -> Document:
    """Return the change by which a task ends in FAILURE with ``error``."""
    return {
        **told(What.FAILED, cause=str(error.get("code"))),
        "status": Status.FAILURE,
        "error": {"$literal": error},
        "lease": None,
        "finished_at": "$$NOW",
    }


class Leases:
    """The collection ``tasks`` as workers, the sweep and the supervisor change it."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._tasks = collection

    async def prepare(self) -> None:
        await self._tasks.create_index([("status", ASCENDING), ("rung_at", ASCENDING)])

    # What a worker does

    @guarded
    async def claim(
        self, task_id: str, *, worker: str, token: str, seconds: float, max_attempts: int
    ) -> Task | None:
        """Take a task that nobody works at; None if it is taken, ended or out of attempts."""
        # What is set to a document is laid over the one that was there: a dead lease's cause, too.
        until = {"until": after(seconds), "cause": "$$REMOVE"}
        lease = {"worker": worker, "token": token, **until}
        document = await self._tasks.find_one_and_update(
            {
                "_id": task_id,
                "attempts": {"$lt": max_attempts},
                **_FREE,
            },
            [
                {
                    "$set": {
                        "status": Status.STARTED,
                        "started_at": {"$ifNull": ["$started_at", "$$NOW"]},
                        "attempts": {"$add": ["$attempts", 1]},
                        "progress": 0,
                        "lease": lease,
                        "worker": worker,
                        **told_after_lease(What.CLAIMED, worker=worker),
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
        change = {"lease": {"until": after(seconds)}, "progress": progress}
        return await self._held(task_id, token, change)

    @guarded
    async def finish(
        self,
        task_id: str,
        token: str,
        results: Sequence[Result],
        report: Document | None = None,
        stages: Stages | None = None,
    ) -> bool:
        """Turn a task SUCCESS; ``stages``: the milliseconds that each stage of this run took."""
        change = {
            **told(What.FINISHED),
            "stages": {"$literal": stages},
            "status": Status.SUCCESS,
            "progress": 100,
            "results": {"$literal": [result.model_dump() for result in results]},
            "report": {"$literal": report},
            "error": None,
            "lease": None,
            "finished_at": "$$NOW",
        }
        return await self._held(task_id, token, change)

    @guarded
    async def fail(
        self, task_id: str, token: str, error: Document, stages: Stages | None = None
    ) -> bool:
        change = failure(error) | {"stages": {"$literal": stages}}
        return await self._held(task_id, token, change)

    @guarded
    async def release(
        self, task_id: str, token: str, *, charge: bool, cause: str | None = None
    ) -> bool:
        """Hand a task back to be rung again; the attempt counts only where ``charge`` is true.

        ``cause``: why, for the timeline.
        """
        change = {
            **told(What.RELEASED, cause=cause),
            "status": Status.CREATED,
            "progress": 0,
            "lease": None,
            "rung_at": None,
            "turn": 0,  # it had its turn
            "attempts": {"$subtract": ["$attempts", 0 if charge else 1]},
        }
        return await self._held(task_id, token, change)

    # What the sweep and the supervisor do

    @guarded
    async def expire(self, worker: str) -> int:
        """End the leases of a worker that is known to be dead; return how many there were."""
        past = {"lease": {"until": after(-0.001), "cause": "worker_died"}}
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
        quiet = {"$expr": {"$lt": [rung, after(-seconds)]}}
        return await self._many({"status": Status.CREATED, **quiet})

    async def created(self, batch: int) -> AsyncIterator[list[Task]]:
        """Yield all tasks that wait, in their turn, ``batch`` at a time.

        Raises:
            StoreUnavailable: MongoDB went away meanwhile.
        """
        cursor = self._tasks.find({"status": Status.CREATED}).sort("turn", ASCENDING)
        while documents := await self._next(cursor, batch):
            yield [Task.model_validate(document) for document in documents]

    @guarded
    async def _next(self, cursor: AgnosticBaseCursor[Document], batch: int) -> list[Document]:
        return await cursor.to_list(batch)

    async def _many(self, query: Document) -> list[Task]:
        cursor = self._tasks.find(query).sort("rung_at", ASCENDING).limit(_BATCH)
        return [Task.model_validate(document) async for document in cursor]

    @guarded
    async def seen_ringing(self, task_ids: Sequence[str]) -> None:
        await self._tasks.update_many(
            {"_id": {"$in": list(task_ids)}}, [{"$set": {"rung_at": "$$NOW"}}]
        )

    @guarded
    async def unheard(self, task_id: str) -> None:
        """Note that the bell did not ring: the next sweep need not wait to see that."""
        await self._tasks.update_one({"_id": task_id}, {"$set": {"rung_at": None}})

    @guarded
    async def next_ring(self, task_id: str, *, waiting: bool = False) -> int:
        """Return a ring number never used for this task: arq remembers the ids of dead jobs.

        ``waiting``: 0 if the task does not wait any more.
        """
        document = await self._tasks.find_one_and_update(
            {"_id": task_id, **({"status": Status.CREATED} if waiting else {})},
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
                **_FREE,
            },
            [{"$set": failure(error) | told_after_lease(What.FAILED, cause=error.get("code"))}],
        )
        return answer.modified_count == 1
