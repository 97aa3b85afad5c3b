"""Worker shutdown: its running tasks are released and not charged an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from models.store.tasks.leases import Leases
from tests.conftest import working
from tests.workers.queue.test_jobs import send_to_halted_child, wait_until

Send = Callable[..., Awaitable[Any]]


async def test_stopping_worker_releases_its_task_uncharged(
    send: Send, settings: Settings, store: Store
) -> None:
    async with working(settings) as arq:
        task_id, _ = await send_to_halted_child(send, arq)
    task = await store.tasks.get(task_id)
    assert task is not None
    assert (task.status, task.attempts, task.lease) == ("CREATED", 0, None)
    assert await store.workers.count_alive() == 0
    async with working(settings):
        done = await (await send(query="?wait=60")).json()
        assert (done["task_id"], done["status"]) == (task_id, "SUCCESS")


async def test_worker_stopped_during_a_claim_releases_the_task(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB has accepted the claim; the reply has not reached the worker."""
    claimed, replied, claim = asyncio.Event(), asyncio.Event(), Leases.claim

    async def slow(self: Leases, *args: Any, **options: Any) -> Any:
        task = await claim(self, *args, **options)
        claimed.set()
        await replied.wait()
        return task

    monkeypatch.setattr(Leases, "claim", slow)
    body = await (await send()).json()
    async with working(settings) as arq:
        await asyncio.wait_for(claimed.wait(), 60)
        task = await store.tasks.get(body["task_id"])
        assert task is not None and task.status == "STARTED"
        (job,) = arq.tasks.values()

        async def reply_when_stopped() -> None:
            try:
                await wait_until(job.cancelling)
            finally:
                replied.set()

        replying = asyncio.create_task(reply_when_stopped())
    await replying
    task = await store.tasks.get(body["task_id"])
    assert task is not None
    assert (task.status, task.attempts, task.lease) == ("CREATED", 0, None)
