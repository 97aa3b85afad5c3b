"""Polls share what was read a moment ago, and never miss that a task ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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

    async def get(self, task_id: str) -> Task | None:
        self.count += 1
        found = self.task
        await asyncio.sleep(0)
        self.meanwhile()
        return found if task_id == found.id else None


def store_of(get: Any) -> Any:
    return SimpleNamespace(tasks=SimpleNamespace(get=get))


@pytest.fixture
def reads() -> Reads:
    return Reads(WAITING)


@pytest.fixture
def polled(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> PolledTasks:
    """Nothing of it grows old during a test."""
    monkeypatch.setattr(long_poll, "_POLLED_SECONDS", 3600.0)
    return PolledTasks(store_of(reads.get))


async def poll(polled: PolledTasks, view: View = UNRESTRICTED_VIEW) -> Task | None:
    return await polled.get(WAITING.id, view)


async def test_polls_share_a_read(
    polled: PolledTasks, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert await poll(polled) is WAITING
    assert reads.count == 1
    monkeypatch.setattr(long_poll, "_POLLED_SECONDS", 0.001)
    polled = PolledTasks(store_of(reads.get))
    async with asyncio.timeout(60):
        while reads.count < 4:
            assert await poll(polled) is WAITING
            await asyncio.sleep(0)


async def test_an_end_is_seen_at_once(polled: PolledTasks, reads: Reads) -> None:
    await poll(polled)
    reads.task = task(Status.FAILURE)
    polled.on_change(TaskChange(WAITING.id, None))  # progress
    assert await poll(polled) is WAITING
    polled.on_change(TaskChange(WAITING.id, Status.FAILURE))
    for _ in range(2):  # what has ended is not kept: a retry would change it
        assert await poll(polled) is reads.task
    assert reads.count == 3


async def test_an_end_during_a_read_is_not_forgotten(polled: PolledTasks, reads: Reads) -> None:
    reads.meanwhile = lambda: polled.on_change(TaskChange(WAITING.id, Status.SUCCESS))
    assert await poll(polled) is WAITING
    reads.task, reads.meanwhile = task(Status.SUCCESS), lambda: None
    assert await poll(polled) is reads.task


async def test_what_was_missed_is_read_again(polled: PolledTasks, reads: Reads) -> None:
    for forget in (polled.on_missed_changes, lambda: polled.forget(WAITING.id)):
        await poll(polled)
        forget()
    await asyncio.gather(*(poll(polled) for _ in range(3)))
    assert reads.count == 3  # at the same time one is enough


async def test_others_do_not_see_it(polled: PolledTasks, reads: Reads) -> None:
    reads.task = task(Status.CREATED, owner="ada")
    assert await poll(polled, View("ada")) is not None
    assert await poll(polled, View("bob")) is None
    assert await polled.get("no-such-task", UNRESTRICTED_VIEW) is None
    assert polled._read.cache_info().currsize == 1


async def test_a_failed_read_leaves_nothing() -> None:
    async def fail(_: str) -> Task | None:
        raise ConnectionError

    polled = PolledTasks(store_of(fail))
    with pytest.raises(ConnectionError):
        await poll(polled)
    assert polled._read.cache_info().currsize == 0
