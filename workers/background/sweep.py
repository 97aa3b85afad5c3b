"""The sweep: re-enqueue lost and stalled tasks, fail those out of attempts."""

from __future__ import annotations

import asyncio

import structlog

from models.errors import WorkerCrashed
from models.metrics.definitions import TASKS_REENQUEUED
from models.tasks.task import Status, Task
from workers import metrics
from workers.context import WorkerContext
from workers.queue.jobs import worker_crashed
from workers.webhooks.sender import task_ended

log = structlog.get_logger()

_ENQUEUE_BATCH = 100  # tasks enqueued concurrently after Redis lost its data
_MIN_WAITING_SECONDS = 5  # before the sweep looks for the job of a created task in Redis


async def sweep_once(worker: WorkerContext) -> int:
    """Sweep once; return how many tasks were re-enqueued. Any number of workers may do so."""
    leases, limit = worker.store.leases, worker.settings.worker.max_attempts
    due: list[Task] = []
    for task in [*await leases.stalled(), *await leases.waiting(_MIN_WAITING_SECONDS)]:
        if task.attempts >= limit and await leases.give_up(
            task.id, limit, worker_crashed(task.attempts).document()
        ):
            log.warning("task_given_up", task_id=task.id, attempts=task.attempts)
            metrics.count_failure(worker.instruments, task, WorkerCrashed.code)
            await task_ended(worker, task.id)
        else:
            due.append(task)
    due = await _without_job(worker, due)
    for task in due:
        log.warning("task_reenqueued", task_id=task.id, status=task.status)
        cause = "lease_expired" if task.status is Status.STARTED else "lost_job"
        worker.instruments.count(TASKS_REENQUEUED, cause)
        await _enqueue(worker, task)
    lost = await _reenqueue_all_waiting(worker) if await worker.queue.lost_data() else 0
    return len(due) + lost


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
    queued = await worker.queue.are_queued(tasks)
    await worker.store.leases.mark_enqueued(
        [task.id for task, is_queued in zip(tasks, queued, strict=True) if is_queued]
    )
    return [task for task, is_queued in zip(tasks, queued, strict=True) if not is_queued]
