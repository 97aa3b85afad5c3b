"""The model of the queue serves waiting tasks as the worker does."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from models.tasks.places import Start, forecast, takes_short
from models.tasks.task import Work
from workers.queue.arq_worker import DarkroomWorker


def work(seconds: float, *, short: bool = False) -> Work:
    return Work(seconds=seconds, short=short)


def lasting(work: Work, beside: float) -> float:
    return work.seconds


def starts(
    waiting: Sequence[Work], *running: tuple[float, bool], workers: int = 1, places: int = 2
) -> list[float]:
    found = forecast(waiting, running, workers, places, lasting)
    return [start.seconds for start in (*found.waiting, found.next, found.next_short)]


class _Job:
    """A running job of the worker, until its ``end``."""

    def __init__(self, end: float, ended: set[float]) -> None:
        self.end, self._ended = end, ended

    def done(self) -> bool:
        return self.end in self._ended


class _SimulatedWorker(DarkroomWorker):
    """The worker's own choice of jobs, with a clock that jumps from one end to the next."""

    def __init__(self, places: int) -> None:
        self._usual_jobs, self.max_jobs, self.job_counter = places, places + 1, 0
        self._storing, self._left, self._scores = set(), {}, {}
        self._queue_read_offset, self.queue_read_limit, self._passed = 0, 100, 0
        self.started: dict[int, float] = {}

    async def serve(self, waiting: Sequence[Work]) -> list[float]:
        self.waiting, self.now, self._ended = waiting, 0.0, set[float]()
        self.tasks = {}
        names = [f"{n}:0{':short' if each.short else ''}" for n, each in enumerate(waiting)]
        while len(self.started) < len(waiting):
            await self.start_jobs(
                [name.encode() for n, name in enumerate(names) if n not in self.started]
            )
            self.now = min(job.end for job in self.tasks.values() if not job.done())  # type: ignore[attr-defined]
            self._ended.add(self.now)
            self.job_counter = sum(not job.done() for job in self.tasks.values())
        return [self.started[n] for n in range(len(waiting))]

    async def _start_job(self, job_id: str) -> None:
        number = int(job_id.partition(":")[0])
        self.started[number] = self.now
        job = _Job(self.now + self.waiting[number].seconds, self._ended)
        self.tasks[job_id] = job  # type: ignore[assignment]
        self.job_counter += 1


@pytest.mark.parametrize("places", [1, 2, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
async def test_tasks_start_as_the_worker_starts_them(places: int, share: float) -> None:
    chance = random.Random(f"{places} {share}")
    for _ in range(20):
        waiting = [
            work(chance.random() if short else 1 + 9 * chance.random(), short=short)
            for short in (chance.random() < share for _ in range(13))
        ]
        assert starts(waiting, places=places)[:-2] == await _SimulatedWorker(places).serve(waiting)


def test_the_place_for_a_short_task_is_there_beside_long_ones_only() -> None:
    short = work(0.5, short=True)
    assert starts([short] * 3, (60, False), (70, False)) == [0, 0.5, 1, 60, 1.5]
    assert starts([short] * 3, (60, False), (2, True)) == [2, 2.5, 3, 3.5, 3.5]
    # All thirteen are short: two run at once, not three.
    assert starts([short] * 4) == [0, 0, 0.5, 0.5, 1, 1]
    # It passes the long ones before it, which do not lose their turn.
    assert starts([work(9), work(9), work(9), short]) == [0, 0, 9, 0, 9, 0.5]


def test_each_worker_has_a_place_for_a_short_task() -> None:
    busy = [(60.0, False)] * 4
    short = work(0.5, short=True)
    assert starts([short] * 3, *busy, workers=2, places=4) == [0, 0, 0.5, 60, 0.5]
    assert [takes_short(4, n, 4, 2) for n in range(3)] == [True, True, False]
    assert not takes_short(6, 0, 4, 2)


def test_those_that_start_at_once_are_beside_each_other() -> None:
    long = work(10)
    found = forecast([long] * 3, [], 1, 2, lasting)
    assert (found.waiting, found.next) == ([Start(0, 2), Start(0, 2), Start(10, 2)], Start(10, 2))
    assert forecast([long], [], 1, 2, lasting).waiting == [Start(0, 1)]
    assert forecast([long] * 4, [], 2, 4, lasting).waiting == [Start(0, 2)] * 4
    assert forecast([work(1, short=True)], [(9, False)] * 2, 1, 2, lasting).waiting == [Start(0, 3)]


def test_tasks_of_workers_that_take_no_more_hold_no_place() -> None:
    draining = [(n, False) for n in range(90, 99)]
    assert starts([work(1)], (5, False), (6, False), *draining) == [5, 6, 0]
