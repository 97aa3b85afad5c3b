"""What happens when arq rings: claim the task, do the work, publish, and say how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import Any

import structlog

from models.errors import AppError, Internal, StoreUnavailable, WorkerCrashed
from models.metrics.definitions import RERINGS
from models.tasks.task import Status, Task
from workers import metrics
from workers.context import Attempt, Worker
from workers.queue.execute import work
from workers.store_retry import patient
from workers.webhooks.sender import ended

log = structlog.get_logger()

_TROUBLE_PAUSE = 5.0  # seconds a place stays empty after the machine failed it


async def process(ctx: dict[str, Any], task_id: str) -> None:
    """Work at ``task_id`` if nobody does; the one job that arq knows."""
    worker: Worker = ctx["worker"]
    token = secrets.token_hex(16)
    with structlog.contextvars.bound_contextvars(task_id=task_id):
        task = await _claim(worker, task_id, token)
        if task is None:
            log.debug("nothing_to_claim")
            return
        log.info("started", attempt=task.attempts)
        attempt = Attempt(task, token)
        try:
            await _attempt(worker, attempt)
        finally:
            metrics.attempted(worker.instruments, attempt)
            worker.done += attempt.outcome == "success"
            worker.failed += attempt.outcome == "failure"
        if attempt.outcome in {"success", "failure"}:
            await ended(worker, task_id)


async def _claim(worker: Worker, task_id: str, token: str) -> Task | None:
    claiming = asyncio.ensure_future(
        worker.store.leases.claim(
            task_id,
            worker=worker.name,
            token=token,
            seconds=worker.settings.lease_seconds,
            max_attempts=worker.settings.max_attempts,
        )
    )
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # The worker is being stopped: a claim that MongoDB may have taken must not lie until its
        # lease ends.
        if await claiming is not None:
            await worker.store.leases.release(task_id, token, charge=False, cause="stopping")
            log.info("handed_back")
        raise


async def _attempt(worker: Worker, attempt: Attempt) -> None:
    worker.attempts.add(attempt)
    heart = asyncio.create_task(_beat(worker, attempt))
    working = asyncio.create_task(work(worker, attempt))
    lost = asyncio.create_task(attempt.lost.wait())
    try:
        await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not attempt.publishing:
            log.warning("lease_lost")
            working.cancel()  # before it is looked up why
            attempt.end(await _lost(worker, attempt))
            return
        await working  # one that publishes finds out by its token, and takes back what it stored
    except asyncio.CancelledError:
        # The worker is being stopped: another one gets the task, and no attempt is charged.
        release = worker.store.leases.release
        await release(attempt.task.id, attempt.token, charge=False, cause="stopping")
        log.info("handed_back")
        attempt.end("handed_back")
        raise
    except WorkerCrashed as error:
        await _crashed(worker, attempt, error)
    except StoreUnavailable as error:
        # Nothing can be written; the lease runs out and the sweep gives the task to a worker again.
        log.error("given_up_for_now", **error.document())
        attempt.end("store_away")
    except AppError as error:
        await _failed(worker, attempt, error)
    except OSError as error:
        # This machine is in trouble (disk full, no process to be had), not this picture. The task
        # goes back uncharged; the pause keeps a broken machine from drawing the whole queue.
        log.error("machine_trouble", reason=repr(error))
        attempt.end("machine_trouble")
        release = patient(worker.store.leases.release)
        await release(attempt.task.id, attempt.token, charge=False, cause="machine_trouble")
        await asyncio.sleep(_TROUBLE_PAUSE)
    except Exception:
        incident = secrets.token_hex(8)
        log.exception("unexpected", incident=incident)
        defect = Internal("something went wrong on our side", incident=incident)
        await _failed(worker, attempt, defect)
    finally:
        worker.attempts.discard(attempt)
        for task in (heart, working, lost):
            task.cancel()
        await asyncio.gather(heart, working, lost, return_exceptions=True)


async def _beat(worker: Worker, attempt: Attempt) -> None:
    """Keep the lease alive and write the progress; set ``lost`` when the lease is another's."""
    pause = worker.settings.lease_seconds / 3
    told, since = 0, 0.0
    while True:
        step = min(worker.settings.progress_seconds, pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(attempt.doubt.wait(), step)
        since += step
        if since < pause and attempt.progress == told and not attempt.doubt.is_set():
            continue
        attempt.doubt.clear()
        told, since = attempt.progress, 0.0
        try:
            held = await worker.store.leases.extend(
                attempt.task.id,
                attempt.token,
                seconds=worker.settings.lease_seconds,
                progress=told,
            )
        except StoreUnavailable:
            continue  # the next beat tries again; the token decides who was right
        except Exception:
            log.exception("heartbeat_failed")
            continue
        if not held:
            attempt.lost.set()
            return
        attempt.renewed = time.monotonic()


@patient
async def _failed(worker: Worker, attempt: Attempt, error: AppError) -> None:
    log.warning("failed", **error.document())
    fail = worker.store.leases.fail
    if await fail(attempt.task.id, attempt.token, error.document(), attempt.story()):
        attempt.end("failure")
        metrics.failed(worker.instruments, attempt.task, error.code)
    else:
        attempt.end(await _lost(worker, attempt))


async def _lost(worker: Worker, attempt: Attempt) -> str:
    """Return what the metrics call an attempt whose lease is gone."""
    with contextlib.suppress(StoreUnavailable):
        task = await worker.store.tasks.get(attempt.task.id)
        if task is not None and task.status is Status.CANCELLED:
            return "cancelled"
    return "lease_lost"


async def _crashed(worker: Worker, attempt: Attempt, error: WorkerCrashed) -> None:
    """Give a task whose child died another chance, as long as it has attempts left."""
    used, limit = attempt.task.attempts, worker.settings.max_attempts
    if used >= limit:
        await _failed(worker, attempt, crash(used, **error.facts))
        return
    log.warning("crashed", attempt=used, **error.facts)
    attempt.end("crashed")
    release = worker.store.leases.release
    if await release(attempt.task.id, attempt.token, charge=True, cause="crashed"):
        number = await worker.store.leases.next_ring(attempt.task.id)
        worker.instruments.count(RERINGS, "crash")
        await worker.queue.enqueue(attempt.task.id, number, 0, attempt.task.created_at)


def crash(attempts: int, **facts: Any) -> WorkerCrashed:
    """Return the error of a task that took its process down as often as it may."""
    return WorkerCrashed(
        f"the process working at this picture died {attempts} times (MAX_ATTEMPTS)",
        attempts=attempts,
        **facts,
    )
