"""The worker reads the queue when there is something to read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from models.errors import StoreUnavailable
from models.redis.queue import connect
from models.settings import Settings
from models.store import Store
from tests.conftest import working
from tests.support import images
from tests.workers.queue.test_jobs import Send, started_worker, wait_until
from workers.background import sweep
from workers.queue import arq_worker


async def submitted(send: Send, seed: int) -> Any:
    response = await send(images.png(seed=seed), f"{seed}.png", "?wait=60")
    return (await response.json())["status"]


async def test_queued_tasks_and_free_slots_wake_the_worker(
    send: Send, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a poll: the first of three tasks starts by its message, the others by a free slot."""
    monkeypatch.setattr(arq_worker, "_MAX_IDLE_SECONDS", 3600)
    async with working(settings) as arq:
        await started_worker(arq)
        found = await asyncio.gather(*(submitted(send, seed) for seed in range(3)))
    assert set(found) == {"SUCCESS"}


async def test_worker_subscribes_again_and_polls_meanwhile(send: Send, settings: Settings) -> None:
    redis = connect(settings.stores)
    async with working(settings) as arq:
        await started_worker(arq)

        async def subscribers() -> int:
            return int((await redis.pubsub_numsub("darkroom:queued"))[0][1])

        await wait_until(subscribers)
        await redis.client_kill_filter(_type="pubsub")
        assert await submitted(send, 1) == "SUCCESS"
        await wait_until(subscribers)
    await redis.aclose(close_connection_pool=True)


async def test_a_worker_cut_off_from_mongodb_leaves_tasks_to_others(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the job back that it cannot claim, and takes none until MongoDB answers it."""
    monkeypatch.setattr(sweep, "_MIN_WAITING_SECONDS", 3600)  # no sweep looks for the job
    async with working(settings) as cut:
        context = await started_worker(cut)
        watched = context.store.availability

        async def unreachable(*_: Any, **__: Any) -> Any:
            raise AutoReconnect("cut off")

        async def unanswered() -> None:
            raise StoreUnavailable("cut off", store="mongodb")

        monkeypatch.setattr(watched, "_ping", unanswered)
        monkeypatch.setattr(context.store.leases._lease, "claim", unreachable)
        body = await (await send()).json()
        await wait_until(lambda: watched.away and cut.idle)
        assert not cut.allow_pick_jobs
        async with working(settings):
            done = await (await send(query="?wait=60")).json()
        assert (done["task_id"], done["status"]) == (body["task_id"], "SUCCESS")
        task = await store.tasks.get(done["task_id"])
        assert task is not None and (task.attempts, task.rings) == (1, 0)
        monkeypatch.undo()
        await wait_until(lambda: cut.allow_pick_jobs)
