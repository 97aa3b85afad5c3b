"""The places of workers: which waiting task may start, and when each will."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from models.tasks.task import Work


def takes_short(running: int, short: int, places: int, workers: int = 1) -> bool:
    """Whether a short task may start beside ``running`` tasks, ``short`` of which are short.

    A worker runs as many tasks as it has places, and one short task more while all of them are
    long. Of several workers each is taken to have one of the short tasks.
    """
    return running < places or (running < places + workers and short < workers)


class Start(NamedTuple):
    """When a task starts, in ``seconds``, and how many its worker then has, with it."""

    seconds: float
    beside: float


class Starts(NamedTuple):
    """When tasks start: those that wait, one more behind them, and a short one behind them."""

    waiting: Sequence[Start]
    next: Start
    next_short: Start


def forecast(
    waiting: Sequence[Work],
    running: Sequence[tuple[float, bool]],
    workers: int,
    places: int,
    seconds: Callable[[Work, float], float],
) -> Starts:
    """Serve the ``waiting`` tasks in their order, each when it may start.

    ``running``: (seconds left, short) of each task in work. ``workers`` and their ``places``: at
    least 1. ``seconds`` of a task, so many beside each other.
    """
    busy: list[tuple[float, bool]] = []
    short_busy = 0
    for end, short in sorted(running):  # those without a place are of workers that take no more
        if len(busy) < places or (short and takes_short(len(busy), short_busy, places, workers)):
            busy.append((end, short))
            short_busy += short
    starts = [Start(0.0, 1.0)] * len(waiting)
    long_ones = deque(n for n, work in enumerate(waiting) if not work.short)
    short_ones = deque(n for n, work in enumerate(waiting) if work.short)
    next_short: Start | None = None
    now = 0.0
    while True:
        free = len(busy) < places
        # Those behind it fill the other places at the same moment.
        together = min(
            len(busy) + max(1, len(long_ones) + len(short_ones)), max(places, len(busy) + 1)
        )
        start = Start(now, max(1.0, together / workers))
        for_short = takes_short(len(busy), short_busy, places, workers)
        if for_short and not short_ones and next_short is None:
            next_short = start
        queues = [queue for queue, fits in ((long_ones, free), (short_ones, for_short)) if fits]
        if queue := min(filter(None, queues), key=lambda each: each[0], default=None):
            number = queue.popleft()
            work = waiting[number]
            starts[number] = start
            heapq.heappush(busy, (now + seconds(work, start.beside), work.short))
            short_busy += work.short
        elif free:
            return Starts(starts, start, next_short or start)
        else:
            now, was_short = heapq.heappop(busy)
            short_busy -= was_short
