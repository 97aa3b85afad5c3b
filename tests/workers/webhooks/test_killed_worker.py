"""A worker that is killed while a receiver takes its call in: another calls, under the same id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import images
from tests.support.standalone_process import House
from tests.support.webhook_receiver import SECRET, receiving
from tests.workers.webhooks.test_end_to_end import verified


@pytest.mark.timeout(300)
async def test_a_killed_worker_loses_no_webhook(
    new_house: Callable[..., House], tmp_path: Path
) -> None:
    async with receiving() as receiver:
        receiver.hold = asyncio.Event()
        house = await asyncio.to_thread(
            new_house,
            WEBHOOK_ALLOWED="127.0.0.0/8",
            WEBHOOK_PORTS=str(receiver.port),
            WEBHOOK_SECRET=SECRET,
            WEBHOOK_TIMEOUT="100",
            LEASE_SECONDS="2",
        )
        (tmp_path / "cat.png").write_bytes(images.png())
        await asyncio.to_thread(
            house.upload, tmp_path / "cat.png", "", f"callback_url={receiver.url}"
        )
        await asyncio.wait_for(receiver.came.wait(), 100)
        receiver.came.clear()
        await asyncio.to_thread(house.kill, "worker-0")
        await asyncio.wait_for(receiver.came.wait(), 100)  # the lease is over
        receiver.hold.set()
        assert len(set(receiver.ids)) == 1
        first, second = (verified(*call) for call in receiver.calls[:2])
        assert first == second and first["type"] == "task.succeeded"
