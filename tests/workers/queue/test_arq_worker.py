"""The worker reads the queue when there is something to read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from models.redis.queue import connect
from models.settings import Settings
from tests.conftest import working
from tests.support import images
from tests.workers.queue.test_jobs import Send, started_worker, wait_until
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
