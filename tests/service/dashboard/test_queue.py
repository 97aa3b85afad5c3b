"""The dashboard API: the queue and its history."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from models.store.tasks.search import TaskOutcomes
from service.app import create_app
from service.app_keys import STORE
from tests.conftest import Client
from tests.models.store.test_leases import create_task
from tests.support.dashboard_api import api
from tests.workers.queue.test_jobs import wait_until


async def test_history_counts_each_task_once(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    for number in range(3):
        mark = f"{number}" * 64
        await create_task(store, mark)
        if number:
            await store.leases.claim(mark[:32], worker="w", token="t", seconds=60, max_attempts=3)
    await store.leases.fail("2" * 32, "t", {"code": "internal", "detail": "x"})

    async def noted() -> bool:
        await store.queue_history.record(await store.task_stats.queue(), 1)
        _, points = await store.queue_history.series(600)
        least = {"asked": 3, "started": 2, "failed": 1}  # the last of them may come a sample later
        return all(sum(point[each] for point in points) >= n for each, n in least.items())

    await wait_until(noted)
    await noted()  # nothing is counted twice
    # Only now, since a service samples the queue at its start, perhaps before the claims.
    points = (await api(await aiohttp_client(create_app(settings)), "history"))["points"]
    assert sum(point["asked"] for point in points) == 3
    assert sum(point["started"] for point in points) == 2
    assert sum(point["failed"] for point in points) == 1
    assert max(point["waiting"] for point in points) == 1
    assert max(point["running"] for point in points) == 1
    assert await store.queue_history.waiting_before(5) == 1


async def test_many_requests_load_the_queue_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.app is not None
    search, loads = client.app[STORE].task_search, 0
    ask = search.outcomes

    async def counted(seconds: float) -> TaskOutcomes:
        nonlocal loads
        loads += 1
        return await ask(seconds)

    monkeypatch.setattr(search, "outcomes", counted)
    for _ in range(20):
        await api(client, "queue")
    assert 1 <= loads <= 3
