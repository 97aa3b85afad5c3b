"""Polls share what was read a moment ago, and never miss that a task ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from models.auth.visibility import UNRESTRICTED_VIEW, View
from models.store.tasks.change_stream import TaskChange
from models.tasks.task import Status, Task
from service.events import long_poll
from service.events.long_poll import PolledTasks
from tests.models.tasks.test_queue_position import task

WAITING = task(Status.CREATED)


class Reads:
    """A store with one task."""

    def __init__(self, task: Task) -> None:
        self.task, self.count = task, 0
        self.meanwhile: Callable[[], Any] = lambda: None

    async def __call__(self, task_id: str, view: View) -> Task | None:
        self.count += 1
        found = self.task
        await asyncio.sleep(0)
        self.meanwhile()
        return found if task_id == found.id and view.sees(found.owner) else None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(long_poll, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def poll(polled: PolledTasks, reads: Reads, view: View = UNRESTRICTED_VIEW) -> Awaitable[Any]:
    return polled.get(WAITING.id, view, reads)


async def test_polls_share_a_read(clock: list[float]) -> None:
    polled, reads = PolledTasks(), Reads(WAITING)
    for _ in range(3):
        assert await poll(polled, reads) is WAITING
    assert reads.count == 1
    clock[0] += long_poll._POLLED_SECONDS
    assert await poll(polled, reads) is WAITING
    assert reads.count == 2


async def test_an_end_is_seen_at_once(clock: list[float]) -> None:
    polled, reads = PolledTasks(), Reads(WAITING)
    await poll(polled, reads)
    reads.task = task(Status.FAILURE)
    polled.on_change(TaskChange(WAITING.id, None))  # progress
    assert await poll(polled, reads) is WAITING
    polled.on_change(TaskChange(WAITING.id, Status.FAILURE))
    for _ in range(2):  # what has ended is not kept: a retry would change it
        assert await poll(polled, reads) is reads.task
    assert reads.count == 3


async def test_an_end_during_a_read_is_not_forgotten(clock: list[float]) -> None:
    polled, reads = PolledTasks(), Reads(WAITING)
    reads.meanwhile = lambda: polled.on_change(TaskChange(WAITING.id, Status.SUCCESS))
    assert await poll(polled, reads) is WAITING
    reads.task, reads.meanwhile = task(Status.SUCCESS), lambda: None
    assert await poll(polled, reads) is reads.task


async def test_what_was_missed_is_read_again(clock: list[float]) -> None:
    polled, reads = PolledTasks(), Reads(WAITING)
    for forget in (polled.on_missed_changes, lambda: polled.forget(WAITING.id)):
        await poll(polled, reads)
        forget()
    await asyncio.gather(*(poll(polled, reads) for _ in range(3)))
    assert reads.count == 5


async def test_others_do_not_see_it(clock: list[float]) -> None:
    polled, reads = PolledTasks(), Reads(task(Status.CREATED, owner="ada"))
    assert await poll(polled, reads, View("ada")) is not None
    assert await poll(polled, reads, View("bob")) is None
    assert await polled.get("no-such-task", UNRESTRICTED_VIEW, reads) is None
    assert not polled._read.keys() - {WAITING.id}


async def test_a_failed_read_leaves_nothing(clock: list[float]) -> None:
    async def fail(*_: Any) -> Task | None:
        raise ConnectionError

    polled = PolledTasks()
    with pytest.raises(ConnectionError):
        await polled.get(WAITING.id, UNRESTRICTED_VIEW, fail)
    assert polled._read == {}
