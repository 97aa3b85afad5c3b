"""Settings: workers and their child processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from models.settings.group import Group


class WorkerSettings(Group):
    """Workers and their child processes."""

    workers: int = Field(1, ge=1, le=64, description="arq worker processes (make run only).")
    worker_processes: int = Field(
        0,
        ge=0,
        le=256,
        description="Child processes of each worker that do the pixel work; 0: the cores divided "
        "by WORKERS. One more is started when all run long tasks and a short one waits.",
    )
    memory_budget: int = Field(
        0,
        ge=0,
        description="Bytes that all running tasks may take together, divided by WORKERS; larger "
        "tasks wait, beside which one short task of up to 500 MB may run. 0: four fifths of the "
        "machine or container; set it alike for the service and the workers if their machines "
        "differ.",
    )
    task_timeout: float = Field(
        900,
        gt=0,
        description="Seconds the pixel work of one task may take; then FAILURE. The most "
        "expensive task within the limits, 50 megapixels with quality=best, takes some 340 on two "
        "idle cores.",
    )
    child_sandbox: Literal["auto", "require", "off"] = Field(
        "auto",
        description="Sandbox of the processes that decode pictures (docs/security.md). auto: all "
        "that this kernel offers, with a warning for what it lacks; require: they do not start "
        "without all of it; off: none, for debugging.",
    )
    child_max_tasks: int = Field(
        1000,
        ge=0,
        description="Tasks after which a child process is replaced by a new one. 0: never; 1: no "
        "picture meets what another left behind, for 0.2 s of a core each.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Attempts at a task whose process dies; then worker_crashed."
    )
    lease_seconds: float = Field(
        10, gt=0, description="Seconds without renewal after which another worker may take a task."
    )
    sweep_interval_seconds: float = Field(
        2,
        gt=0,
        description="Seconds between two sweeps, which look for stalled tasks, tasks that are "
        "missing from the queue, and e-mails that are due.",
    )
    drain_seconds: int = Field(
        10,
        ge=1,
        description="Seconds a stopping worker lets its tasks run before it hands them back.",
    )

    @property
    def child_processes(self) -> int:
        """Number of child processes of one worker: WORKER_PROCESSES, or the cores over WORKERS."""
        return self.worker_processes or max(1, usable_cores() // self.workers)


def usable_cores() -> int:
    """Return the number of cores this process may use, by its affinity and container quota."""
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or "max": no quota
        return allowed
