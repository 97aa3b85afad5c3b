"""What a worker measures of itself, and how it says so."""

from __future__ import annotations

import asyncio
import shutil
import time

import structlog

from models.errors import StoreUnavailable
from models.metrics import snapshot
from models.metrics.definitions import (
    ATTEMPTS,
    ATTEMPTS_NOW,
    CHILDREN,
    DISK_FREE,
    DISK_SIZE,
    ENDED_TASKS,
    FAILURES,
    LEASE_AGE,
    MEMORY_FREE,
    MEMORY_WAITING,
    RUN,
    STAGES,
    WAIT,
)
from models.metrics.instruments import Instruments, worked
from models.tasks.task import Status, Task
from workers.context import Attempt, Worker

log = structlog.get_logger()


def attempted(instruments: Instruments, attempt: Attempt) -> None:
    """Count an attempt that is over: how it ended, and how long each of its stages took."""
    task = attempt.task
    instruments.count(ATTEMPTS, attempt.outcome)
    if task.attempts == 1 and task.started_at is not None:
        waited = task.started_at - (task.asked_at or task.created_at)
        instruments.observe(WAIT, max(0.0, waited.total_seconds()))
    for stage, spent in attempt.stages.items():
        instruments.observe(STAGES, spent / 1000, stage.removesuffix("_ms"))
    if attempt.outcome == "success":
        operation = worked(task.operations)
        instruments.count(ENDED_TASKS, operation, Status.SUCCESS)
        instruments.observe(RUN, time.monotonic() - attempt.began, operation)


def failed(instruments: Instruments, task: Task, code: str) -> None:
    """Count a task that ended FAILURE."""
    instruments.count(ENDED_TASKS, worked(task.operations), Status.FAILURE)
    instruments.count(FAILURES, code)


async def report(worker: Worker) -> None:
    """Write a snapshot every METRICS_SECONDS until cancelled."""
    while True:
        try:
            _look(worker)
            packed = snapshot.pack(snapshot.read(worker.instruments))
            await worker.store.snapshots.put(worker.name, packed)
        except StoreUnavailable:
            pass  # the next one says it all
        except Exception:
            log.exception("snapshot_failed")
        await asyncio.sleep(worker.settings.metrics_seconds)


async def leave(worker: Worker) -> None:
    """Write the last snapshot, of what counts on: a worker that is gone has nothing in hand.

    Raises:
        StoreUnavailable: the counts since the last snapshot are lost.
    """
    packed = snapshot.pack(snapshot.read(worker.instruments, gauges=False))
    await worker.store.snapshots.put(worker.name, packed)


def _look(worker: Worker) -> None:
    """Set the gauges to what is now."""
    see = worker.instruments.set
    children, alive = worker.children, len(worker.children.pids)
    see(CHILDREN, children.busy, "busy")
    see(CHILDREN, max(0, alive - children.busy), "idle")
    see(CHILDREN, max(0, worker.settings.children - alive), "missing")
    see(ATTEMPTS_NOW, len(worker.attempts))
    oldest = min((attempt.renewed for attempt in worker.attempts), default=None)
    see(LEASE_AGE, 0 if oldest is None else time.monotonic() - oldest)
    see(MEMORY_FREE, worker.room.free)
    see(MEMORY_WAITING, worker.room.waiting)
    disk = shutil.disk_usage(worker.scratch)
    see(DISK_FREE, disk.free, "scratch")
    see(DISK_SIZE, disk.total, "scratch")
