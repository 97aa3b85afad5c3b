"""A worker that is stopped: what it has in hand goes back, and costs nobody an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from models.store.tasks.leases import Leases
from tests.conftest import working
from tests.workers.queue.test_jobs import ready, slow_picture, until

Send = Callable[..., Awaitable[Any]]


async def test_a_stopping_worker_hands_its_task_back_uncharged(
    send: Send, settings: Settings, store: Store
) -> None:
    async with working(settings) as arq:
        await ready(arq)
        body = await (await send(slow_picture())).json()

        async def started() -> bool:
            task = await store.tasks.get(body["task_id"])
            return task is not None and task.status == "STARTED"

        await until(started)
    task = await store.tasks.get(body["task_id"])
    assert task is not None
    assert (task.status, task.attempts, task.lease) == ("CREATED", 0, None)
    assert await store.presence.alive(60) == 0
    async with working(settings):
        done = await (await send(slow_picture(), query="?wait=60")).json()
        assert done["status"] == "SUCCESS"


async def test_a_worker_stopped_while_it_claims_hands_back_what_it_got(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB has taken the claim, the worker has not heard of it yet."""
    taken, claim = asyncio.Event(), Leases.claim

    async def slow(self: Leases, *args: Any, **options: Any) -> Any:
        task = await claim(self, *args, **options)
        taken.set()
        await asyncio.sleep(0.5)  # the answer is on its way
        return task

    monkeypatch.setattr(Leases, "claim", slow)
    body = await (await send()).json()
    async with working(settings):
        await asyncio.wait_for(taken.wait(), 60)
        task = await store.tasks.get(body["task_id"])
        assert task is not None and task.status == "STARTED"
    task = await store.tasks.get(body["task_id"])
    assert task is not None
    assert (task.status, task.attempts, task.lease) == ("CREATED", 0, None)
