"""A worker killed while a receiver handles its call: another calls again, with the same id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import images
from tests.support.standalone_process import StandaloneProcess
from tests.support.webhook_receiver import SECRET, run_receiver
from tests.workers.webhooks.test_end_to_end import verified


@pytest.mark.timeout(300)
async def test_killed_worker_loses_no_webhook(
    start_darkroom: Callable[..., StandaloneProcess], tmp_path: Path
) -> None:
    async with run_receiver() as receiver:
        receiver.hold = asyncio.Event()
        darkroom = await asyncio.to_thread(
            start_darkroom,
            WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
            WEBHOOK_PORTS=str(receiver.port),
            WEBHOOK_SECRET=SECRET,
            WEBHOOK_TIMEOUT="100",
            LEASE_SECONDS="2",
        )
        (tmp_path / "cat.png").write_bytes(images.png())
        await asyncio.to_thread(
            darkroom.upload, tmp_path / "cat.png", "", f"callback_url={receiver.url}"
        )
        await asyncio.wait_for(receiver.called.wait(), 100)
        receiver.called.clear()
        await asyncio.to_thread(darkroom.kill, "worker-0")
        await asyncio.wait_for(receiver.called.wait(), 100)  # the lease has expired
        receiver.hold.set()
        assert len(set(receiver.ids)) == 1
        first, second = (verified(*call) for call in receiver.calls[:2])
        assert first == second and first["type"] == "task.succeeded"
