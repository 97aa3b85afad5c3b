"""How often the queue is read for event streams."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from models.errors import StoreUnavailable
from models.store import Store
from models.tasks.task import Task
from models.work_prices import Prices
from service.events.queue_watch import QueueWatch
from tests.models.store.test_change_stream import create, run


@pytest.fixture
def queue_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of each read of the queue."""
    reads: list[float] = []
    read_queue = store.fair_queue.snapshot

    async def counted(prices: Prices) -> Any:
        reads.append(time.monotonic())
        return await read_queue(prices)

    monkeypatch.setattr(store.fair_queue, "snapshot", counted)
    return reads


async def create_tasks(store: Store, count: int) -> dict[str, Task]:
    return await store.tasks.get_many([await create(store, number) for number in range(count)])


async def test_partly_ended_group_is_in_the_queue_snapshot(
    store: Store, queue_reads: list[float]
) -> None:
    group = await create_tasks(store, 3)
    await run(store, next(iter(group)))
    group = await store.tasks.get_many(list(group))
    queue_watch = QueueWatch(store)
    for _ in range(20):
        await queue_watch.snapshot(tasks=group)
    assert len(queue_reads) == 1


async def test_reconnecting_clients_cause_no_extra_queries(
    store: Store, queue_reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.events.queue_watch._MIN_READ_SECONDS", 3600.0)
    queue_watch = QueueWatch(store)
    await queue_watch.snapshot()
    for number in range(5):  # each is new and not in the snapshot
        await queue_watch.snapshot(tasks=await store.tasks.get_many([await create(store, number)]))
    assert len(queue_reads) == 1


async def test_a_response_about_what_has_ended_reads_nothing(
    store: Store, queue_reads: list[float]
) -> None:
    tasks = await create_tasks(store, 2)
    for task_id in tasks:
        await run(store, task_id)
    queue_watch = QueueWatch(store)
    assert (
        await queue_watch.for_response((await store.tasks.get_many(list(tasks))).values()) is None
    )
    assert queue_reads == []
    waiting = await store.tasks.get_many([await create(store, 5)])
    seen = await queue_watch.for_response(waiting.values())
    assert seen is not None and list(seen.positions) == list(waiting)
    assert len(queue_reads) == 1


async def test_of_submissions_at_once_each_is_in_the_queue_that_it_is_told_of(
    store: Store, queue_reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is created while the queue is read gets the next read, and with it those before."""
    monkeypatch.setattr("service.events.queue_watch._MIN_READ_SECONDS", 0.0)
    monkeypatch.setattr("service.events.queue_watch._MAX_TIME_SHARE", 10.0)
    queue_watch = QueueWatch(store)
    await queue_watch.snapshot()
    reading, go_on = asyncio.Event(), asyncio.Event()
    read_queue = store.fair_queue.snapshot

    async def slow(prices: Prices) -> Any:
        found = await read_queue(prices)
        reading.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(store.fair_queue, "snapshot", slow)
    first = await create_tasks(store, 1)
    answer = asyncio.create_task(queue_watch.for_response(first.values()))
    await reading.wait()
    second = await store.tasks.get_many([await create(store, 1)])
    late = asyncio.create_task(queue_watch.for_response(second.values()))
    await asyncio.sleep(0)  # it asks while the first is read
    go_on.set()
    assert [len(seen.positions) for seen in (await answer, await late) if seen] == [1, 2]
    assert len(queue_reads) == 3


async def test_a_response_does_not_wait_for_a_slow_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.events.queue_watch._LATE_SECONDS", 0.01)
    queue_watch = QueueWatch(store)
    known = await queue_watch.snapshot()
    go_on = asyncio.Event()

    async def slow(prices: Prices) -> Any:
        await go_on.wait()
        return known

    monkeypatch.setattr(store.fair_queue, "snapshot", slow)
    waiting = await create_tasks(store, 1)
    assert await queue_watch.for_response(waiting.values()) is known
    go_on.set()
    await queue_watch.snapshot(tasks=waiting)


async def test_a_response_does_not_fail_for_its_eta(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(prices: Prices) -> Any:
        raise StoreUnavailable("the database does not answer", store="mongodb")

    waiting = await create_tasks(store, 1)
    monkeypatch.setattr(store.fair_queue, "snapshot", unavailable)
    assert await QueueWatch(store).for_response(waiting.values()) is None
