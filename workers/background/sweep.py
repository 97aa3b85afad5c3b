"""The sweep: re-enqueue lost and stalled tasks, fail those out of attempts."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta

import structlog

from models.errors import WorkerCrashed
from models.metrics.definitions import TASKS_REENQUEUED
from models.redis.queue import job_id
from models.store.tasks.leases import MAX_SWEPT, Waiting
from models.tasks.task import Status, Task
from workers import metrics
from workers.context import WorkerContext
from workers.queue.jobs import worker_crashed
from workers.webhooks.sender import task_ended

log = structlog.get_logger()

_LOCK = "sweep"
_LOOK = 4  # of all workers, on average, in each interval: at least one of them, 49 times of 50
_ENQUEUE_BATCH = 100  # tasks enqueued concurrently
_MIN_WAITING_SECONDS = 5  # before the sweep looks for the job of a created task in Redis


async def sweep_if_due(worker: WorkerContext) -> int:
    """Sweep unless a worker has begun to within the interval; return as ``sweep_once``.

    Of many workers a few look whether it is due, others each time. The worker that sweeps also
    looks at the outboxes; the others do so less often.
    """
    if random.random() * await worker.count_workers() > _LOOK:
        return 0
    interval = worker.settings.worker.sweep_interval_seconds
    if not await worker.store.periodic_lock.acquire(_LOCK, worker.name, interval):
        return 0
    worker.email_due.set()
    worker.webhook_due.set()
    return await sweep_once(worker)


async def sweep_once(worker: WorkerContext) -> int:
    """Sweep once; return how many tasks were re-enqueued. Two at once do no harm."""
    if not await worker.store.leases.any_open():
        await worker.queue.lost_data()  # nothing to enqueue again
        return 0
    found = await worker.store.leases.stalled()
    due = [
        *await _without_job(worker, await _not_given_up(worker, found)),
        *await _not_given_up(worker, await _next_waiting(worker)),
    ]
    for first in range(0, len(due), _ENQUEUE_BATCH):
        batch = due[first : first + _ENQUEUE_BATCH]
        for task in batch:
            log.warning("task_reenqueued", task_id=task.id, status=task.status)
            cause = "lease_expired" if task.status is Status.STARTED else "lost_job"
            worker.instruments.count(TASKS_REENQUEUED, cause)
        await asyncio.gather(*(_enqueue(worker, task) for task in batch))
    lost = await _reenqueue_all_waiting(worker) if await worker.queue.lost_data() else 0
    return len(due) + lost


async def _not_given_up(worker: WorkerContext, tasks: list[Task]) -> list[Task]:
    """Fail the tasks that have no attempts left; return the others."""
    limit = worker.settings.worker.max_attempts
    left = []
    for task in tasks:
        if task.attempts >= limit and await worker.store.leases.give_up(
            task.id, limit, worker_crashed(task.attempts).document()
        ):
            log.warning("task_given_up", task_id=task.id, attempts=task.attempts)
            metrics.count_failure(worker.instruments, task, WorkerCrashed.code)
            task_ended(worker, task.id)
        else:
            left.append(task)
    return left


async def _next_waiting(worker: WorkerContext) -> list[Task]:
    """Return waiting tasks that have no job or no attempts left, of the next part of the queue.

    Of a long queue each sweep looks at the tasks that are served next, whose jobs workers take and
    may lose, at those that were never enqueued, and at a part of the others.
    """
    leases = worker.store.leases
    part = await leases.waiting(_MIN_WAITING_SECONDS, worker.swept_to)
    worker.swept_to = _end_of(part)
    found = {each.id: each for each in [*await leases.next_waiting(_MIN_WAITING_SECONDS), *part]}
    if not found:
        return []
    jobs = [job_id(each.id, each.rings, each.short) for each in found.values()]
    queued = dict(zip(found, await worker.queue.are_queued(jobs), strict=True))
    limit = worker.settings.worker.max_attempts
    due = [each.id for each in found.values() if not queued[each.id] or each.attempts >= limit]
    tasks = (await worker.store.tasks.get_many(due)).values() if due else ()
    return [task for task in tasks if task.status is Status.CREATED]


def _end_of(part: list[Waiting]) -> datetime | None:
    """Return after which time the next part begins; None: with the first."""
    if len(part) < MAX_SWEPT:
        return None
    first, last = part[0].rung_at, part[-1].rung_at
    if last is None or first is None:
        return None  # those are enqueued now
    # Others may have been enqueued in the same millisecond.
    return max(last - timedelta(milliseconds=1), first)


async def _enqueue(worker: WorkerContext, task: Task, *, only_waiting: bool = False) -> None:
    number = await worker.store.leases.next_enqueue_number(task.id, only_waiting=only_waiting)
    if not number:
        return
    # A started task had its turn already.
    turn = 0 if task.status is Status.STARTED else task.turn
    await worker.queue.enqueue(task.id, number, turn, task.created_at, short=task.work.short)


async def _reenqueue_all_waiting(worker: WorkerContext) -> int:
    """Re-enqueue all waiting tasks after Redis lost its data; return their number."""
    count = 0
    async for tasks in worker.store.leases.waiting_batches(_ENQUEUE_BATCH):
        due = await _without_job(worker, tasks)
        await asyncio.gather(*(_enqueue(worker, task, only_waiting=True) for task in due))
        worker.instruments.count(TASKS_REENQUEUED, "redis_data_lost", by=len(due))
        count += len(due)
    if count:
        log.warning("redis_data_lost", reenqueued=count)
    return count


async def _without_job(worker: WorkerContext, tasks: list[Task]) -> list[Task]:
    """Return the tasks whose job is not in the queue: it is lost, or a dead worker took it."""
    if not tasks:
        return []
    jobs = [job_id(task.id, task.rings, task.work.short) for task in tasks]
    queued = await worker.queue.are_queued(jobs)
    return [task for task, is_queued in zip(tasks, queued, strict=True) if not is_queued]
