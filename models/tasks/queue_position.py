"""When a task's turn comes and when it ends, as far as the queue tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models.tasks.task import Status, Task


@dataclass(frozen=True)
class Outlook:
    """The queue at one moment.

    ``places``: of each waiting task, how many are served before it; ``beyond``: of one that is not
    among them. ``running``: tasks that workers have. ``seconds``: from claim to end on average
    lately, None if nothing ended. ``workers``: how many take tasks.
    ``ahead``: what MongoDB's clock is ahead of ours.
    """

    places: Mapping[str, int]
    beyond: int
    running: int
    seconds: float | None
    workers: int
    ahead: timedelta

    def position(self, task: Task) -> int | None:
        """Return how many waiting tasks are served before ``task``; None if it does not wait."""
        if task.status is not Status.CREATED:
            return None
        return self.places.get(task.id, self.beyond)

    def left(self, task: Task, now: datetime | None = None) -> float | None:
        """Return the seconds until ``task`` ends: 0 when it has, None when nothing tells.

        One in work by its own progress, or by what tasks take lately; one that waits by how many
        have to end before it, itself included, at the rate at which those in work end.
        """
        if task.ended:
            return 0.0
        if task.status is Status.STARTED:
            now = now or datetime.now(UTC) + self.ahead
            since = task.started_at or now
            spent = max((now - since).total_seconds(), 0.0)
            if task.progress:
                return round(spent * (100 - task.progress) / task.progress, 1)
            if self.seconds is None or spent > self.seconds:
                return None
            return round(self.seconds - spent, 1)
        if self.seconds is None or not self.workers:
            return None
        before = self.position(task) or 0
        return round(self.seconds * (before + self.running + 1) / max(self.running, 1), 1)
