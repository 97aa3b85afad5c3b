"""Queue position and ETA of a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models.tasks.task import Status, Task


@dataclass(frozen=True)
class QueueSnapshot:
    """The queue at one moment.

    ``positions``: how many tasks are served before each waiting task, by task id;
    ``default_position``: the same for a waiting task that is not in ``positions``. ``running``:
    tasks that workers have. ``mean_seconds``: recent average from claim to end, None if no task
    ended recently. ``workers``: number of workers that take tasks. ``clock_offset``: how far
    MongoDB's clock is ahead of this machine's.
    """

    positions: Mapping[str, int]
    default_position: int
    running: int
    mean_seconds: float | None
    workers: int
    clock_offset: timedelta

    def position(self, task: Task) -> int | None:
        """Return how many waiting tasks are served before ``task``; None if it does not wait."""
        if task.status is not Status.CREATED:
            return None
        return self.positions.get(task.id, self.default_position)

    def eta_seconds(self, task: Task, now: datetime | None = None) -> float | None:
        """Return the seconds until ``task`` ends: 0 if it has ended, None if unknown.

        For a running task this is estimated from its own progress, or from ``mean_seconds``. A
        waiting task waits for all tasks before it and those that run, and then runs itself, at the
        rate at which running tasks end.
        """
        if task.ended:
            return 0.0
        if task.status is Status.STARTED:
            now = now or datetime.now(UTC) + self.clock_offset
            since = task.started_at or now
            spent = max((now - since).total_seconds(), 0.0)
            if task.progress:
                return round(spent * (100 - task.progress) / task.progress, 1)
            if self.mean_seconds is None or spent > self.mean_seconds:
                return None
            return round(self.mean_seconds - spent, 1)
        if self.mean_seconds is None or not self.workers:
            return None
        before = self.position(task) or 0
        return round(self.mean_seconds * (before + self.running + 1) / max(self.running, 1), 1)
