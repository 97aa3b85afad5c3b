"""The arq job: claim a task, execute it under a lease, and record how the attempt ended."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from functools import partial
from typing import Any

import structlog

from models.errors import (
    AppError,
    InsufficientResources,
    InternalError,
    StoreUnavailable,
    TaskTimeout,
    WorkerCrashed,
)
from models.metrics.definitions import TASKS_REENQUEUED
from models.tasks.task import Status, Task
from workers import metrics
from workers.context import Attempt, WorkerContext
from workers.queue.arq_worker import DarkroomWorker, PutBack
from workers.queue.execute import execute
from workers.store_retry import retry_store
from workers.webhooks.sender import task_ended

log = structlog.get_logger()

_PROGRESS_SECONDS = 0.25  # between two writes of changed progress, each a small update in MongoDB
_NO_ROOM_PAUSE_SECONDS = 30.0  # before a task is tried again whose results did not fit on the disk
_MACHINE_TROUBLE_PAUSE_SECONDS = 5.0  # a job slot stays empty after the machine has failed


async def run_task(ctx: dict[str, Any], task_id: str) -> None:
    """Execute ``task_id`` unless another worker does; arq's only job."""
    worker: WorkerContext = ctx["worker"]
    token = secrets.token_hex(16)
    with structlog.contextvars.bound_contextvars(task_id=task_id):
        heard = worker.cancellations
        try:
            task = await _claim(worker, task_id, token)
        except StoreUnavailable:
            # Another worker may reach MongoDB: without the job only the sweep would find the task.
            log.warning("job_put_back")
            raise PutBack from None
        if task is None:
            if await worker.store.leases.needs_more(task_id, worker.abilities):
                log.info("task_left_to_others", abilities=worker.abilities.parts)
                worker.leave(ctx["job_id"])
                raise PutBack
            log.debug("task_not_claimable")
            return
        log.info("task_started", attempt=task.attempts)
        jobs: DarkroomWorker = ctx["jobs"]
        attempt = Attempt(task, token, partial(jobs.store_results, ctx["job_id"]))
        if worker.cancellations != heard:  # perhaps of this task, after the claim
            attempt.check_lease.set()
        try:
            await _attempt(worker, attempt)
        finally:
            metrics.count_attempt(worker.instruments, attempt)
            worker.done += attempt.outcome == "success"
            worker.failed += attempt.outcome == "failure"
            worker.worked_at = time.monotonic()
        if attempt.outcome in {"success", "failure"}:
            task_ended(worker, task_id)


async def _claim(worker: WorkerContext, task_id: str, token: str) -> Task | None:
    worker.claiming += 1
    claiming = asyncio.ensure_future(
        worker.store.leases.claim(
            task_id,
            worker=worker.name,
            token=token,
            seconds=worker.settings.worker.lease_seconds,
            max_attempts=worker.settings.worker.max_attempts,
            beside=sum(not each.publishing for each in worker.attempts) + worker.claiming,
            abilities=worker.abilities,
        )
    )
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # The worker is shutting down: a claim that MongoDB may have accepted must not last until
        # its lease expires.
        if await claiming is not None:
            await worker.store.leases.release(task_id, token, charge=False, cause="stopping")
            log.info("task_released", cause="stopping")
        raise
    finally:
        worker.claiming -= 1


async def _attempt(worker: WorkerContext, attempt: Attempt) -> None:
    worker.attempts.add(attempt)
    heartbeat = asyncio.create_task(_heartbeat(worker, attempt))
    working = asyncio.create_task(execute(worker, attempt))
    lost = asyncio.create_task(attempt.lost.wait())
    try:
        await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not attempt.publishing:
            log.warning("lease_lost")
            working.cancel()  # first cancel, then find out why
            attempt.set_outcome(await _lost_outcome(worker, attempt))
            return
        await working  # publishing is fenced by the token, and deletes what it stored
    except asyncio.CancelledError:
        # The worker is shutting down: another one gets the task, and no attempt is charged.
        release = worker.store.leases.release
        await release(attempt.task.id, attempt.token, charge=False, cause="stopping")
        log.info("task_released", cause="stopping")
        attempt.set_outcome("handed_back")
        raise
    except WorkerCrashed as error:
        await _crashed(worker, attempt, error)
    except StoreUnavailable as error:
        # Nothing can be written; the lease expires and the sweep enqueues the task again.
        log.error("store_unavailable", **error.document())
        attempt.set_outcome("store_unavailable")
    except AppError as error:
        await _ended_with(worker, attempt, error)
    except OSError as error:
        # The machine fails (disk full, no new processes), not this image. The pause keeps a broken
        # machine from draining the whole queue.
        log.error("machine_trouble", reason=repr(error))
        await _hand_back(worker, attempt, "machine_trouble")
        await asyncio.sleep(_MACHINE_TROUBLE_PAUSE_SECONDS)
    except Exception:
        incident = secrets.token_hex(8)
        log.exception("unexpected_error", incident=incident)
        defect = InternalError("something went wrong on our side", incident=incident)
        await _failed(worker, attempt, defect)
    finally:
        worker.attempts.discard(attempt)
        for task in (heartbeat, working, lost):
            task.cancel()
        await asyncio.gather(heartbeat, working, lost, return_exceptions=True)


async def _heartbeat(worker: WorkerContext, attempt: Attempt) -> None:
    """Extend the lease and write the progress; set ``lost`` when another worker has the lease."""
    interval = worker.settings.worker.lease_seconds / 3
    written, elapsed = 0, 0.0
    while True:
        step = min(_PROGRESS_SECONDS, interval)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(attempt.check_lease.wait(), step)
        elapsed += step
        progress = attempt.progress
        unchanged = progress == written
        if elapsed < interval and unchanged and not attempt.check_lease.is_set():
            continue
        attempt.check_lease.clear()
        written, elapsed = progress, 0.0
        try:
            held = await worker.store.leases.extend(
                attempt.task.id,
                attempt.token,
                seconds=worker.settings.worker.lease_seconds,
                progress=written,
            )
        except StoreUnavailable:
            continue  # the next heartbeat tries again; the token decides who holds the lease
        except Exception:
            log.exception("heartbeat_failed")
            continue
        if not held:
            attempt.lost.set()
            return
        attempt.lease_renewed = time.monotonic()


async def _ended_with(worker: WorkerContext, attempt: Attempt, error: AppError) -> None:
    """Fail the task, unless another time or another child may do it."""
    if isinstance(error, InsufficientResources):
        log.error("task_put_aside", **error.document())
        await _hand_back(worker, attempt, error.code, _NO_ROOM_PAUSE_SECONDS)
    elif (
        isinstance(error, TaskTimeout)
        and attempt.task.work.short
        and error.facts.get("limit") != worker.settings.worker.task_timeout
    ):
        # Once at most: it is not short from then on, whatever its child said.
        log.warning("task_not_short", predicted=round(attempt.task.work.seconds, 3))
        await retry_store(worker.store.leases.set_long)(attempt.task.id)
        await _hand_back(worker, attempt, "not_short")
    else:
        await _failed(worker, attempt, error)


@retry_store
async def _failed(worker: WorkerContext, attempt: Attempt, error: AppError) -> None:
    log.warning("task_failed", **error.document())
    fail = worker.store.leases.fail
    if await fail(attempt.task.id, attempt.token, error.document(), attempt.stage_times()):
        attempt.set_outcome("failure")
        metrics.count_failure(worker.instruments, attempt.task, error.code)
    else:
        attempt.set_outcome(await _lost_outcome(worker, attempt))


async def _lost_outcome(worker: WorkerContext, attempt: Attempt) -> str:
    """Return the outcome of an attempt whose lease is lost: ``cancelled`` or ``lease_lost``."""
    with contextlib.suppress(StoreUnavailable):
        task = await worker.store.tasks.get(attempt.task.id)
        if task is not None and task.status is Status.CANCELLED:
            return "cancelled"
    return "lease_lost"


async def _hand_back(
    worker: WorkerContext, attempt: Attempt, cause: str, pause: float = 0.0
) -> None:
    """Release a task uncharged; the sweep enqueues it again after ``pause`` seconds."""
    attempt.set_outcome("machine_trouble")
    release = retry_store(worker.store.leases.release)
    await release(attempt.task.id, attempt.token, charge=False, cause=cause, pause=pause)


async def _crashed(worker: WorkerContext, attempt: Attempt, error: WorkerCrashed) -> None:
    """Release a task whose child process died, or fail it when no attempt is left."""
    used, limit = attempt.task.attempts, worker.settings.worker.max_attempts
    if used >= limit:
        await _failed(worker, attempt, worker_crashed(used, **error.facts))
        return
    log.warning("child_crashed", attempt=used, **error.facts)
    attempt.set_outcome("crashed")
    release = worker.store.leases.release
    if await release(attempt.task.id, attempt.token, charge=True, cause="crashed"):
        number = await worker.store.leases.next_enqueue_number(attempt.task.id)
        worker.instruments.count(TASKS_REENQUEUED, "crash")
        task = attempt.task
        await worker.queue.enqueue(task.id, number, 0, task.created_at, short=task.work.short)


def worker_crashed(attempts: int, **facts: Any) -> WorkerCrashed:
    """Return the error of a task whose child process died ``attempts`` times."""
    return WorkerCrashed(
        f"the process working on this picture died {attempts} times (MAX_ATTEMPTS)",
        attempts=attempts,
        **facts,
    )
