"""Queue position and ETA of a task."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from models.tasks.places import Start, Starts, forecast
from models.tasks.task import Status, Task, Work
from models.work_prices import Prices

_UNKNOWN_SECONDS = 1.0  # of a task that an older version created: nothing was predicted
MAX_POSITIONS = 1000  # waiting tasks whose positions are read: 1 ms, however long the queue
MAX_AHEAD = 500  # waiting tasks whose work is counted one by one; the others by their average
TRUSTED_PROGRESS = 0.25  # from which the rate of a task counts alone; before, its price does, too
_LATE = 0.1  # of the time that a task without progress has taken, when that is all it was to take


@dataclass(frozen=True)
class Running:
    """A task in work; ``spent``: seconds since its claim. ``beside``, ``worker``: see ``Task``."""

    work: Work
    progress: int
    spent: float
    beside: int
    worker: str


@dataclass(frozen=True)
class QueueSnapshot:
    """The queue at one moment.

    ``positions``: how many tasks are served before each waiting task, by task id; ``turns``: those
    of these, ascending. Only the first MAX_POSITIONS are read: behind them ``last_turn`` is that of
    the last task, and ``waiting`` the number of all, or 0 if it is not known. ``ahead``: the work
    of the first waiting ones. ``running``:
    tasks that workers have. ``workers``: that take tasks; ``places``: tasks that they run at once.
    ``clock_offset``: how far MongoDB's clock is ahead of this machine's. ``taken_at``: by MongoDB's
    clock.
    """

    positions: Mapping[str, int]
    turns: Sequence[int]
    ahead: Sequence[Work]
    running: Sequence[Running]
    workers: int
    places: int
    prices: Prices
    taken_at: datetime
    clock_offset: timedelta = timedelta()
    last_turn: int = 0
    waiting: int = 0

    @property
    def full(self) -> bool:
        """Whether more tasks may wait than were read."""
        return len(self.turns) == MAX_POSITIONS

    def covers(self, tasks: Iterable[Task]) -> bool:
        """Return whether all of ``tasks`` that wait were read, or waited behind those."""
        return all(
            task.id in self.positions
            or (self.full and task.turn >= self.turns[-1] and not self._is_younger(task))
            for task in tasks
            if task.status is Status.CREATED
        )

    def _is_younger(self, task: Task) -> bool:
        return (task.asked_at or task.created_at) >= self.taken_at

    def position(self, task: Task) -> int | None:
        """Return how many waiting tasks are served before ``task``; None if it does not wait.

        One that is not in the snapshot was created since, and comes last in its turn; or it was
        claimed since it was read, and was next. Behind those that were read the positions are
        estimated: as if the turns of all others were as dense everywhere.
        """
        if task.status is not Status.CREATED:
            return None
        if (position := self.positions.get(task.id)) is not None:
            return position
        if not self.full and not self._is_younger(task):
            return 0
        place = bisect_right(self.turns, task.turn)
        return place + self._beyond(task.turn) if place == MAX_POSITIONS else place

    def _beyond(self, turn: int) -> int:
        """Return how many that were not read are served before one of ``turn``."""
        others = max(self.waiting - len(self.turns), 0)
        first = self.turns[-1]
        span = self.last_turn - first
        share = (turn - first) / span if span > 0 else 0.5  # all in one turn
        return round(others * min(share, 1.0))

    def eta_seconds(self, task: Task, now: datetime | None = None) -> float | None:
        """Return the seconds until ``task`` ends: 0 if it has ended, None if no worker is there.

        For a running task they follow from its work and its progress. A waiting task starts when
        those before it have left a place, and then runs itself.
        """
        if task.ended:
            return 0.0
        now = now or datetime.now(UTC) + self.clock_offset
        if task.status is Status.STARTED:
            since = task.claimed_at or now
            spent = max((now - since).total_seconds(), 0.0)
            at_work = Running(task.work, task.progress, spent, task.beside, task.worker or "")
            return round(self._left(at_work), 2)
        if not self.places:
            return None
        start, beside = self._start(self.position(task) or 0, task.work.short)
        waited = max((now - self.taken_at).total_seconds(), 0.0)
        return round(max(start - waited, 0.0) + self._seconds(task.work, beside), 2)

    def _seconds(self, work: Work, beside: float, worker: str = "") -> float:
        if not work.parts:
            return _UNKNOWN_SECONDS
        return self.prices.seconds(work.parts, beside, worker)

    def _left(self, task: Running) -> float:
        """Return the seconds until ``task`` ends.

        The rate of its progress is coarse at first, and the price does not know this picture: the
        rate counts the more, the further it is.
        """
        beside = max(task.beside, self._at_work[task.worker])  # others may have come since
        expected = self._seconds(task.work, beside, task.worker)
        share = task.progress / 100
        if not share:
            return max(expected - task.spent, _LATE * task.spent)
        trust = min(1.0, share / TRUSTED_PROGRESS)
        return (1 - share) * (trust * task.spent / share + (1 - trust) * expected)

    @cached_property
    def _at_work(self) -> Mapping[str, int]:
        """How many tasks each worker has."""
        return Counter(task.worker for task in self.running)

    def _start(self, position: int, short: bool) -> Start:
        """Return the start of the waiting task at ``position``, in seconds from ``taken_at``."""
        starts, mean = self._starts
        if position < len(starts.waiting):
            return starts.waiting[position]
        later = (position - len(starts.waiting)) * mean / self.places
        start = starts.next._replace(seconds=starts.next.seconds + later)
        return min(start, starts.next_short) if short else start

    @cached_property
    def _starts(self) -> tuple[Starts, float]:
        """Return the starts of the first waiting tasks, and their mean seconds."""
        ahead = self.ahead[:MAX_AHEAD]
        total = 0.0

        def seconds(work: Work, beside: float) -> float:
            nonlocal total
            total += (found := self._seconds(work, beside))
            return found

        running = [(self._left(task), task.work.short) for task in self.running]
        starts = forecast(ahead, running, self.workers, self.places, seconds)
        return starts, total / max(1, len(ahead))
