"""How often the queue is looked at for those who listen."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from models.tasks.task import Task
from service.events.queue_watch import QueueWatch
from tests.models.store.test_change_stream import create, run


@pytest.fixture
def looks(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the queue was looked at with, each time."""
    seen: list[float] = []
    look = store.fair_queue.snapshot

    async def counted(seconds: float) -> Any:
        seen.append(seconds)
        return await look(seconds)

    monkeypatch.setattr(store.fair_queue, "snapshot", counted)
    return seen


async def members(store: Store, count: int) -> dict[str, Task]:
    return await store.tasks.get_many([await create(store, number) for number in range(count)])


async def test_partly_ended_group_is_in_the_queue_snapshot(
    store: Store, settings: Settings, looks: list[float]
) -> None:
    group = await members(store, 3)
    await run(store, next(iter(group)))
    group = await store.tasks.get_many(list(group))
    queue_watch = QueueWatch(settings, store)
    for _ in range(20):
        await queue_watch.snapshot(tasks=group)
    assert len(looks) == 1


async def test_reconnecting_clients_cause_no_extra_queries(
    store: Store, settings: Settings, looks: list[float]
) -> None:
    queue_watch = QueueWatch(settings.model_copy(update={"events_interval_seconds": 3600.0}), store)
    await queue_watch.snapshot()
    for number in range(5):  # each is new, and not in the look
        await queue_watch.snapshot(tasks=await store.tasks.get_many([await create(store, number)]))
    assert len(looks) == 1
