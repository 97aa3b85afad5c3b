"""Task leases: claim, extend, finish, fail, release, and the recovery of stalled tasks.

See ``models.store.mongo.lease``. A task's lease is {worker, token, until}, null if it has none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from pymongo import ASCENDING, ReturnDocument

from models.store.mongo.lease import Lease
from models.store.mongo.repository import Document, Repository, now_plus
from models.store.tasks.fair_queue import SERVICE_ORDER
from models.store.tasks.transitions import append_entry, append_entry_after_lease, ended, failed
from models.tasks.needs import Abilities
from models.tasks.task import OPEN, Result, Status, Task, TimelineAction

Stages = Mapping[str, float]

_OPEN = {"$in": list(OPEN)}
_MAX_TASKS = 1000  # of one sweep: bounds its work, however many have stalled
_MAX_NEXT = 100  # of one sweep, in the order of service: jobs are lost when workers take them
MAX_SWEPT = 1000
"""Waiting tasks of one sweep, besides: bounds its work, however long the queue."""


class Waiting(NamedTuple):
    """What the sweep needs to know of a task that waits; ``rung_at``: when it was enqueued."""

    id: str
    rings: int
    short: bool
    attempts: int
    rung_at: datetime | None


class Leases(Repository):
    """The changes that workers, the sweep and the supervisor make to the collection ``tasks``."""

    @cached_property
    def _lease(self) -> Lease:
        return Lease(self._tasks, holder="lease.token", until="lease.until")

    # For workers

    async def claim(
        self,
        task_id: str,
        *,
        worker: str,
        token: str,
        seconds: float,
        max_attempts: int,
        beside: int = 1,
        abilities: Abilities | None = None,
    ) -> Task | None:
        """Lease a task that is free; None if it is leased, has ended, or has no attempts left.

        ``beside``: see ``Task``. ``abilities``: None also if it needs more than these.
        """
        claimable = {"_id": task_id, "status": _OPEN, "attempts": {"$lt": max_attempts}}
        if abilities is not None:
            claimable |= _can_be_done_with(abilities)
        change = {
            "status": Status.STARTED,
            "started_at": {"$ifNull": ["$started_at", "$$NOW"]},
            "attempts": {"$add": ["$attempts", 1]},
            "progress": 0,
            "lease.worker": worker,
            "lease.cause": "$$REMOVE",  # of the end of an expired lease
            "worker": worker,
            "beside": beside,
            **append_entry_after_lease(TimelineAction.CLAIMED, worker=worker),
        }
        document = await self._lease.claim(claimable, token, seconds, change)
        return Task.model_validate(document) if document else None

    async def needs_more(self, task_id: str, abilities: Abilities) -> bool:
        """Return whether a task waits that needs more than ``abilities``."""
        beyond = {"$nor": [_can_be_done_with(abilities)]}
        query = {"_id": task_id, "status": Status.CREATED, **beyond}
        return await self._tasks.find_one(query, {"_id": 1}) is not None

    async def extend(self, task_id: str, token: str, *, seconds: float, progress: int) -> bool:
        change = {**self._lease.until(seconds), "progress": progress}
        return await self._lease.update_if_held(task_id, token, change)

    async def finish(
        self,
        task_id: str,
        token: str,
        results: Sequence[Result],
        report: Document | None = None,
        stages: Stages | None = None,
    ) -> bool:
        """Set a task to SUCCESS; ``stages``: the milliseconds that each stage of this run took."""
        change = {
            **ended(Status.SUCCESS, TimelineAction.FINISHED),
            "stages": {"$literal": stages},
            "progress": 100,
            "results": {"$literal": [result.model_dump() for result in results]},
            "report": {"$literal": report},
        }
        return await self._lease.update_if_held(task_id, token, change)

    async def fail(
        self, task_id: str, token: str, error: Document, stages: Stages | None = None
    ) -> bool:
        change = failed(error) | {"stages": {"$literal": stages}}
        return await self._lease.update_if_held(task_id, token, change)

    async def release(
        self,
        task_id: str,
        token: str,
        *,
        charge: bool,
        cause: str | None = None,
        pause: float = 0.0,
    ) -> bool:
        """Return a task to the queue to be enqueued again; the attempt counts only if ``charge``.

        ``cause``: the reason, for the timeline. ``pause``: seconds until the sweep enqueues it.
        """
        change = {
            **append_entry(TimelineAction.RELEASED, cause=cause),
            "status": Status.CREATED,
            "progress": 0,
            "lease": None,
            "rung_at": now_plus(pause) if pause else None,
            "turn": 0,  # served next: it had its turn
            "attempts": {"$subtract": ["$attempts", 0 if charge else 1]},
        }
        return await self._lease.update_if_held(task_id, token, change)

    async def set_long(self, task_id: str) -> None:
        """Record that a task is not short, against its prediction."""
        await self._tasks.update_one({"_id": task_id}, {"$set": {"work.short": False}})

    # For the sweep and the supervisor

    async def expire_worker(self, worker: str) -> int:
        """End the leases of a worker that is known to be dead; return their number."""
        expired = {**self._lease.until(0), "lease.cause": "worker_died"}
        outcome = await self._tasks.update_many(
            {"status": Status.STARTED, "lease.worker": worker}, [{"$set": expired}]
        )
        return outcome.modified_count

    async def any_open(self) -> bool:
        """Return whether a task waits or runs."""
        return await self._tasks.find_one({"status": _OPEN}, {"_id": 1}) is not None

    async def stalled(self) -> list[Task]:
        """Return started tasks whose lease has expired."""
        return await self._find({"status": Status.STARTED, **self._lease.expired})

    async def waiting(self, seconds: float, after: datetime | None = None) -> list[Waiting]:
        """Return some created tasks not enqueued for ``seconds``: MAX_SWEPT, longest ago first.

        ``after``: of those that were enqueued, only those enqueued later.
        """
        overdue = {"$expr": {"$lt": ["$rung_at", now_plus(-seconds)]}}  # null is always less
        query = {"status": Status.CREATED, **overdue}
        if after is not None:
            query["rung_at"] = {"$not": {"$lte": after}}  # null is not, either
        return await self._waiting(query, ["rung_at"], MAX_SWEPT)

    async def next_waiting(self, seconds: float) -> list[Waiting]:
        """Return, of the first ``_MAX_NEXT`` in the order of service, those of ``waiting``."""
        first = await self._waiting({"status": Status.CREATED}, SERVICE_ORDER, _MAX_NEXT)
        before = await self._now() - timedelta(seconds=seconds)
        return [each for each in first if each.rung_at is None or each.rung_at < before]

    async def _waiting(self, query: Document, order: Sequence[str], limit: int) -> list[Waiting]:
        found = self._tasks.find(query, ["rings", "work.short", "attempts", "rung_at"])
        return [
            Waiting(
                each["_id"],
                each.get("rings", 0),
                each.get("work", {}).get("short", False),
                each["attempts"],
                each.get("rung_at"),
            )
            async for each in found.sort([(name, ASCENDING) for name in order]).limit(limit)
        ]

    async def waiting_batches(self, batch: int) -> AsyncIterator[list[Task]]:
        """Yield all waiting tasks in the order of their turns, ``batch`` at a time.

        Raises:
            StoreUnavailable: MongoDB became unreachable in between.
        """
        cursor = self._tasks.find({"status": Status.CREATED}).sort("turn", ASCENDING)
        while documents := await cursor.to_list(batch):
            yield [Task.model_validate(document) for document in documents]

    async def _find(self, query: Document) -> list[Task]:
        cursor = self._tasks.find(query).sort("rung_at", ASCENDING).limit(_MAX_TASKS)
        return [Task.model_validate(document) async for document in cursor]

    async def mark_not_enqueued(self, task_id: str) -> None:
        """Record that enqueueing failed, so that the next sweep enqueues the task at once."""
        await self._tasks.update_one({"_id": task_id}, {"$set": {"rung_at": None}})

    async def next_enqueue_number(self, task_id: str, *, only_waiting: bool = False) -> int:
        """Return an enqueue number never used for this task: arq remembers the ids of dead jobs.

        ``only_waiting``: return 0 if the task no longer waits.
        """
        document = await self._tasks.find_one_and_update(
            {"_id": task_id, **({"status": Status.CREATED} if only_waiting else {})},
            [{"$set": {"rings": {"$add": ["$rings", 1]}, "rung_at": "$$NOW"}}],
            return_document=ReturnDocument.AFTER,
        )
        return int(document["rings"]) if document else 0

    async def impossible(self, workers: Sequence[Abilities], seconds: float) -> list[Task]:
        """Return tasks that have waited for ``seconds`` and that none of ``workers`` can do."""
        before = now_plus(-seconds)
        none_can = {"$nor": [_can_be_done_with(each) for each in workers]}
        long = {"$expr": {"$lt": ["$asked_at", before]}}
        return await self._find({"status": Status.CREATED, **long, **none_can})

    async def fail_waiting(self, task_id: str, error: Document) -> bool:
        """Fail a task that waits, unless a worker has claimed it."""
        outcome = await self._tasks.update_one(
            {"_id": task_id, "status": Status.CREATED}, [{"$set": failed(error)}]
        )
        return outcome.modified_count == 1

    async def give_up(self, task_id: str, max_attempts: int, error: Document) -> bool:
        """Fail a task that has no attempts left and no live lease."""
        used_up = {"_id": task_id, "status": _OPEN, "attempts": {"$gte": max_attempts}}
        change = failed(error) | append_entry_after_lease(
            TimelineAction.FAILED, cause=error.get("code")
        )
        outcome = await self._tasks.update_one(
            {**used_up, **self._lease.expired}, [{"$set": change}]
        )
        return outcome.modified_count == 1


def _can_be_done_with(abilities: Abilities) -> Document:
    """Return the query for tasks that need no more; those of older versions need nothing."""
    return {
        "needs.parts": {"$not": {"$elemMatch": {"$nin": list(abilities.parts)}}},
        "needs.pixels": {"$not": {"$gt": abilities.pixels}},
        "needs.result_pixels": {"$not": {"$gt": abilities.result_pixels}},
    }
