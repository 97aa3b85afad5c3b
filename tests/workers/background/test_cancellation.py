"""The change stream of cancellations: only a worker with attempts has one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.store.tasks.change_stream import TaskChange
from models.tasks.task import Status
from workers.background import cancellation


class Stream:
    """A change stream that is told what it reports; counts how often it was opened and closed."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.idle = asyncio.Event()
        self.reports: asyncio.Queue[TaskChange | Exception] = asyncio.Queue()

    @asynccontextmanager
    async def changes(self, statuses: Any) -> AsyncIterator[AsyncIterator[TaskChange]]:
        assert statuses == {Status.CANCELLED}
        self.opened += 1
        try:
            yield self._follow()
        finally:
            self.closed += 1
            self.idle.set()

    async def _follow(self) -> AsyncIterator[TaskChange]:
        while True:
            report = await self.reports.get()
            if isinstance(report, Exception):
                raise report
            yield report


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def worker(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(cancellation, "_IDLE_SECONDS", 0.01)
    store = SimpleNamespace(change_stream=stream)
    return SimpleNamespace(store=store, attempts=set(), busy=asyncio.Event())


def begin(worker: Any, task_id: str) -> asyncio.Event:
    """Begin an attempt, and return what tells it to check its lease."""
    check = asyncio.Event()
    attempt = type("Attempt", (), {"task": SimpleNamespace(id=task_id), "check_lease": check})()
    worker.attempts.add(attempt)
    worker.busy.set()
    return check


async def test_an_idle_worker_has_no_stream(worker: Any, stream: Stream) -> None:
    watching = asyncio.create_task(cancellation.watch_cancellations(worker))
    for _ in range(5):
        await asyncio.sleep(0)
    assert stream.opened == 0
    check = begin(worker, "a")
    await check.wait()  # it may have been cancelled before the stream was there
    worker.attempts.clear()
    await stream.idle.wait()
    assert (stream.opened, stream.closed, worker.busy.is_set()) == (1, 1, False)
    check = begin(worker, "b")
    await check.wait()
    assert stream.opened == 2
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_the_attempt_at_a_cancelled_task_checks_its_lease(
    worker: Any, stream: Stream
) -> None:
    first, other = begin(worker, "a"), begin(worker, "b")
    watching = asyncio.create_task(cancellation.watch_cancellations(worker))
    await first.wait()
    first.clear()
    other.clear()
    stream.reports.put_nowait(TaskChange("a", Status.CANCELLED))
    await first.wait()
    assert not other.is_set()
    late = begin(worker, "c")  # while the stream is open
    stream.reports.put_nowait(TaskChange("c", Status.CANCELLED))
    await late.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert (stream.opened, stream.closed) == (1, 1)


async def test_a_broken_stream_is_an_error_and_is_opened_again(worker: Any, stream: Stream) -> None:
    check = begin(worker, "a")
    stream.reports.put_nowait(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await cancellation.watch_cancellations(worker)
    assert worker.busy.is_set()  # its attempt goes on
    check.clear()
    watching = asyncio.create_task(cancellation.watch_cancellations(worker))
    await check.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert (stream.opened, stream.closed) == (2, 2)
