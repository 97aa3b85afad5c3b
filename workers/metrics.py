"""The metrics of a worker process, and the snapshots that it writes for the service."""

from __future__ import annotations

import shutil
import time

from models.metrics import snapshot
from models.metrics.definitions import (
    ATTEMPTS,
    ATTEMPTS_IN_PROGRESS,
    CHILD_PROCESSES,
    DISK_FREE,
    DISK_SIZE,
    LEASE_AGE,
    MEMORY_FREE,
    STAGE_DURATION,
    TASK_FAILURES,
    TASK_RUN,
    TASK_WAIT,
    TASKS_ENDED,
    TASKS_WAITING_FOR_MEMORY,
)
from models.metrics.instruments import Instruments, operation_label
from models.tasks.task import Status, Task
from workers.context import Attempt, WorkerContext


def count_attempt(instruments: Instruments, attempt: Attempt) -> None:
    """Count an ended attempt: its outcome, and how long each of its stages took."""
    task = attempt.task
    instruments.count(ATTEMPTS, attempt.outcome)
    if task.attempts == 1 and task.started_at is not None:
        waited = task.started_at - (task.asked_at or task.created_at)
        instruments.observe(TASK_WAIT, max(0.0, waited.total_seconds()))
    for stage, spent in attempt.stages.items():
        instruments.observe(STAGE_DURATION, spent / 1000, stage)
    if attempt.outcome == "success":
        operation = operation_label(task.operations)
        instruments.count(TASKS_ENDED, operation, Status.SUCCESS)
        instruments.observe(TASK_RUN, time.monotonic() - attempt.started, operation)


def count_failure(instruments: Instruments, task: Task, code: str) -> None:
    """Count a task that ended FAILURE."""
    instruments.count(TASKS_ENDED, operation_label(task.operations), Status.FAILURE)
    instruments.count(TASK_FAILURES, code)


SNAPSHOT_SECONDS = 5.0  # between two snapshots: a scrape every 15 s sees each task
_IDLE_SNAPSHOT_SECONDS = 15.0  # the usual interval of scrapes


async def write_snapshot_if_due(worker: WorkerContext) -> None:
    """Write a snapshot; one every 15 s of a worker that had no task since: a fleet costs less."""
    began = time.monotonic()
    idle = not worker.attempts and worker.worked_at < worker.snapshot_at
    if not idle or began - worker.snapshot_at >= _IDLE_SNAPSHOT_SECONDS:
        await write_snapshot(worker)
        worker.snapshot_at = began


async def write_snapshot(worker: WorkerContext, *, gauges: bool = True) -> None:
    """Write the counts so far and the current gauges, which a stopped worker has none of.

    Raises:
        StoreUnavailable: a later snapshot has the same counts and more.
    """
    if gauges:
        _set_gauges(worker)
    packed = snapshot.pack(snapshot.collect(worker.instruments, gauges=gauges))
    await worker.store.metric_snapshots.put(worker.name, packed)


def _set_gauges(worker: WorkerContext) -> None:
    """Set the gauges to the current values."""
    set_gauge = worker.instruments.set
    children, alive = worker.children, len(worker.children.pids)
    set_gauge(CHILD_PROCESSES, children.busy, "busy")
    set_gauge(CHILD_PROCESSES, max(0, alive - children.busy), "idle")
    set_gauge(CHILD_PROCESSES, max(0, worker.settings.worker.child_processes - alive), "missing")
    set_gauge(ATTEMPTS_IN_PROGRESS, len(worker.attempts))
    oldest = min((attempt.lease_renewed for attempt in worker.attempts), default=None)
    set_gauge(LEASE_AGE, 0 if oldest is None else time.monotonic() - oldest)
    set_gauge(MEMORY_FREE, worker.memory.free_bytes)
    set_gauge(TASKS_WAITING_FOR_MEMORY, worker.memory.waiting)
    disk = shutil.disk_usage(worker.scratch)
    set_gauge(DISK_FREE, disk.free, "scratch")
    set_gauge(DISK_SIZE, disk.total, "scratch")
