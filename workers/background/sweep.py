"""The sweep: what nobody rang or what stalled is rung again, what is used up fails."""

from __future__ import annotations

import asyncio

import structlog

from models.errors import StoreUnavailable, WorkerCrashed
from models.metrics.definitions import RERINGS
from models.tasks.task import Status, Task
from workers import metrics
from workers.context import Worker
from workers.queue.jobs import crash
from workers.webhooks.sender import ended

log = structlog.get_logger()

_AT_ONCE = 100  # tasks that are rung for side by side after Redis lost its data
_RING_PATIENCE = 5  # seconds a created task may wait before the sweep asks Redis for its ring


async def sweep(worker: Worker) -> None:
    """Sweep every SWEEP_SECONDS until cancelled; any number of workers may do so at once."""
    while True:
        try:
            await once(worker)
        except StoreUnavailable as error:
            log.warning("sweep_skipped", **error.document())
        except Exception:
            log.exception("sweep_failed")
        await asyncio.sleep(worker.settings.sweep_seconds)


async def once(worker: Worker) -> int:
    """Sweep once; return how many tasks were rung again."""
    leases, limit = worker.store.leases, worker.settings.max_attempts
    due: list[Task] = []
    for task in [*await leases.stalled(), *await leases.waiting(_RING_PATIENCE)]:
        if task.attempts >= limit and await leases.give_up(
            task.id, limit, crash(task.attempts).document()
        ):
            log.warning("given_up", task_id=task.id, attempts=task.attempts)
            metrics.failed(worker.instruments, task, WorkerCrashed.code)
            await ended(worker, task.id)
        else:
            due.append(task)
    due = await _unheard(worker, due)
    for task in due:
        log.warning("rung_again", task_id=task.id, status=task.status)
        cause = "dead_lease" if task.status is Status.STARTED else "lost_ring"
        worker.instruments.count(RERINGS, cause)
        await _ring(worker, task)
    lost = await _remind(worker) if await worker.queue.forgot() else 0
    return len(due) + lost


async def _ring(worker: Worker, task: Task, *, waiting: bool = False) -> None:
    number = await worker.store.leases.next_ring(task.id, waiting=waiting)
    if not number:
        return
    # One that was begun had its turn already.
    turn = 0 if task.status is Status.STARTED else task.turn
    await worker.queue.enqueue(task.id, number, turn, task.created_at)


async def _remind(worker: Worker) -> int:
    """Ring for all that waits: Redis has lost what it had; return how many that were."""
    count = 0
    async for tasks in worker.store.leases.created(_AT_ONCE):
        # What a worker has taken it took after the loss: the marks of earlier ones are lost, too.
        due = await _unheard(worker, tasks, taken=True)
        await asyncio.gather(*(_ring(worker, task, waiting=True) for task in due))
        worker.instruments.count(RERINGS, "wiped_redis", by=len(due))
        count += len(due)
    if count:
        log.warning("redis_was_wiped", rung_again=count)
    return count


async def _unheard(worker: Worker, tasks: list[Task], *, taken: bool = False) -> list[Task]:
    """Return those of ``tasks`` whose ring is not in the queue, or is held by a dead worker."""
    if not tasks:
        return []
    heard = await worker.queue.ringing([(task.id, task.rings) for task in tasks], taken=taken)
    await worker.store.leases.seen_ringing(
        [task.id for task, ok in zip(tasks, heard, strict=True) if ok]
    )
    return [task for task, ok in zip(tasks, heard, strict=True) if not ok]
