"""How often the queue is read for event streams."""

from __future__ import annotations

import time
from typing import Any

import pytest

from models.store import Store
from models.tasks.task import Task
from service.events.queue_watch import QueueWatch
from tests.models.store.test_change_stream import create, run


@pytest.fixture
def queue_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of each read of the queue."""
    reads: list[float] = []
    read_queue = store.fair_queue.snapshot

    async def counted() -> Any:
        reads.append(time.monotonic())
        return await read_queue()

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
    monkeypatch.setattr("service.events.queue_watch.MIN_INTERVAL_SECONDS", 3600.0)
    queue_watch = QueueWatch(store)
    await queue_watch.snapshot()
    for number in range(5):  # each is new and not in the snapshot
        await queue_watch.snapshot(tasks=await store.tasks.get_many([await create(store, number)]))
    assert len(queue_reads) == 1
