"""The metrics of a worker, and when it writes their snapshots."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from models.metrics import snapshot
from models.metrics.definitions import ATTEMPTS
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import Client, working
from tests.support.prometheus_text import Scraped
from tests.workers.queue.test_jobs import slow_picture, started_worker, wait_until
from workers.context import WorkerContext
from workers.metrics import write_snapshot_if_due


async def test_metrics_off_serves_and_writes_nothing(
    settings: Settings, store: Store, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.metrics.SNAPSHOT_SECONDS", 0.01)
    off = settings.replace(metrics=False)
    client = await aiohttp_client(create_app(off))
    async with working(off) as arq:
        await started_worker(arq)

        async def seen() -> bool:
            return await store.workers.count_alive() == 1

        await wait_until(seen)
    assert (await client.get("/metrics")).status == 404
    assert await store._database["snapshots"].count_documents({}) == 0


async def test_a_worker_that_had_no_task_writes_fewer(
    send: Any, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.metrics.write_snapshot_if_due", AsyncMock())  # the worker's own
    monkeypatch.setattr("workers.metrics._IDLE_SNAPSHOT_SECONDS", 600)

    async def written(worker: WorkerContext) -> float:
        await write_snapshot_if_due(worker)
        ((name, _, packed),) = await store.metric_snapshots.recent(300, 2)
        assert name == worker.name
        shown, _ = snapshot.unpack(packed)
        return sum(each for each in shown.get(ATTEMPTS, {}).values() if isinstance(each, float))

    async with working(settings) as arq:
        worker = await started_worker(arq)
        assert await written(worker) == 0
        worker.instruments.count(ATTEMPTS, "handed_back")
        assert await written(worker) == 0
        await send()
        await wait_until(lambda: worker.done == 1)
        assert await written(worker) == 2
        worker.instruments.count(ATTEMPTS, "handed_back")
        assert await written(worker) == 2
        monkeypatch.setattr("workers.metrics._IDLE_SNAPSHOT_SECONDS", 0)
        assert await written(worker) == 3


async def test_stopped_worker_leaves_counters_but_no_gauges(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.metrics.SNAPSHOT_SECONDS", 600)
    async with working(settings) as arq:
        name = (await started_worker(arq)).name
        arq.ctx["worker"].instruments.count(ATTEMPTS, "success")
    seen = Scraped(await (await client.get("/metrics")).text())
    assert seen.by("worker", "darkroom_attempts_total", outcome="success") == {name: 1}
    assert not seen.of("darkroom_child_processes")
    assert seen.sum("darkroom_workers") == 0


async def test_attempts_that_lost_their_lease_are_counted(
    send: Any, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.queue import execute

    original = execute._store_result

    async def stolen(worker: Any, attempt: Any, part: int, output: Any) -> Any:
        await steal(attempt.task.id)
        return await original(worker, attempt, part, output)

    async def steal(task_id: str) -> None:
        another = {"$set": {"lease.token": "another"}}
        await store._database["tasks"].update_one({"_id": task_id}, another)

    async with working(settings.replace(lease_seconds=0.6)) as arq:
        counted = (await started_worker(arq)).instruments.counters[ATTEMPTS]
        late = (await (await send(slow_picture(), "late.png")).json())["task_id"]

        async def started() -> bool:
            task = await store.tasks.get(late)
            return task is not None and task.progress > 0

        await wait_until(started)
        await steal(late)
        # More than once if the machine was busy for longer than a lease before.
        await wait_until(lambda: counted.labels("lease_lost")._value.get() >= 1)
        monkeypatch.setattr(execute, "_store_result", stolen)
        await send()
        await wait_until(lambda: counted.labels("fenced")._value.get() >= 1)
        assert counted.labels("success")._value.get() == 0
