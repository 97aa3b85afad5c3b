"""A worker whose disk has no room for results puts tasks aside, uncharged, and does others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import structlog

from models.errors import InsufficientResources
from models.free_space import _MONGODB_WRITES_BYTES as WRITES
from models.free_space import FreeSpace
from models.settings import Settings
from models.store import Store
from tests.conftest import Client, working
from tests.service.submissions.test_result_room import set_free
from tests.support import images
from tests.workers.queue.test_jobs import started_worker, wait_until
from workers.background import sweep
from workers.queue import jobs

Send = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("disk", ["MongoDB", "the worker"])
async def test_task_without_room_is_put_aside_and_done_later(
    client: Client,
    settings: Settings,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    disk: str,
) -> None:
    monkeypatch.setattr(jobs, "_NO_ROOM_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(sweep, "_MIN_WAITING_SECONDS", 0.05)
    kept = settings.uploads.min_free_disk_bytes
    free = kept + 500_000 + (2 * WRITES if disk == "MongoDB" else 0)
    disks = {"MongoDB": 10**12, "the worker": 10**12, disk: free}

    async def measured() -> dict[str, int]:
        return disks

    async with working(settings) as arq:
        worker = await started_worker(arq)
        worker.free_space._disks = measured  # type: ignore[assignment]
        worker.free_space._reusable = AsyncMock(return_value=0)  # databases are used again
        with structlog.testing.capture_logs() as logs:
            large = images.form(images.png(), "large.png", operations="resize=10")
            task_id = (await (await client.post("/process", data=large)).json())["task_id"]
            await wait_until(lambda: any(e["event"] == "task_put_aside" for e in logs))
        event = next(each for each in logs if each["event"] == "task_put_aside")
        assert (event["code"], event["measured"]) == ("no_room", free)
        small = await client.post("/grayscale?wait=30", data=images.form(images.png(), "small.png"))
        assert (await small.json())["status"] == "SUCCESS"
        task = await store.tasks.get(task_id)
        assert task is not None and not task.ended and task.attempts <= 1
        assert "no_room" in {entry.cause for entry in task.timeline}
        disks[disk] = 10**12
        done = await (await client.get(f"/tasks/{task_id}?wait=30")).json()
        assert done["status"] == "SUCCESS"
        task = await store.tasks.get(task_id)
        assert task is not None and task.attempts == 1
        assert worker.publishing_bytes == 0


async def test_results_wait_before_uploads_are_refused(
    client: Client, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bytes above the limit are for uploads and MongoDB's journal, not for results."""
    monkeypatch.setattr(jobs, "_NO_ROOM_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(sweep, "_MIN_WAITING_SECONDS", 0.05)
    kept = settings.uploads.min_free_disk_bytes
    disks = {"MongoDB": kept + WRITES + WRITES // 2, "the worker": 10**12}

    async def measured() -> dict[str, int]:
        return disks

    set_free(client, the_service=10**12, MongoDB=disks["MongoDB"])
    async with working(settings) as arq:
        worker = await started_worker(arq)
        worker.free_space._disks = measured  # type: ignore[assignment]
        worker.free_space._reusable = AsyncMock(return_value=0)  # databases are used again
        with structlog.testing.capture_logs() as logs:
            sent = await client.post("/grayscale", data=images.form(images.png(), "a.png"))
            assert sent.status == 202
            task_id = (await sent.json())["task_id"]
            await wait_until(lambda: any(e["event"] == "task_put_aside" for e in logs))
        event = next(each for each in logs if each["event"] == "task_put_aside")
        assert kept + 2 * WRITES < event["limit"] < kept + 2 * WRITES + 99_999
        # MongoDB's files need not grow for it; the journal takes some bytes in any case.
        worker.free_space._reusable = AsyncMock(return_value=99_999)
        await wait_until(_ended(store, task_id))
        task = await store.tasks.get(task_id)
        assert task is not None and task.status == "SUCCESS" and task.attempts == 1


async def test_result_larger_than_predicted_is_not_stored(
    send: Send, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are checked again before they are stored; nothing of them stays."""
    monkeypatch.setattr(sweep, "_MIN_WAITING_SECONDS", 0.05)
    monkeypatch.setattr(jobs, "_NO_ROOM_PAUSE_SECONDS", 0.05)
    kept = settings.uploads.min_free_disk_bytes

    async def measured() -> dict[str, int]:
        return {"MongoDB": kept + 2 * WRITES + 100, "the worker": 10**12}

    async def predicted(*_: object) -> int:
        return 1

    async with working(settings) as arq:
        worker = await started_worker(arq)
        before = worker.free_space._disks
        worker.free_space._disks = measured  # type: ignore[assignment]
        worker.free_space._reusable = AsyncMock(return_value=0)  # databases are used again
        worker.free_space.predict = predicted  # type: ignore[assignment]
        with structlog.testing.capture_logs() as logs:
            task_id = (await (await send()).json())["task_id"]
            await wait_until(lambda: any(e["event"] == "task_put_aside" for e in logs))
        assert await store._database["results.files"].count_documents({}) == 0
        worker.free_space._disks = before
        await wait_until(_ended(store, task_id))
        task = await store.tasks.get(task_id)
        assert task is not None and task.status == "SUCCESS" and task.attempts == 1


def _ended(store: Store, task_id: str) -> Callable[[], Awaitable[bool]]:
    async def ended() -> bool:
        task = await store.tasks.get(task_id)
        return task is not None and task.ended

    return ended


async def test_reused_space_still_takes_journal(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    kept = settings.uploads.min_free_disk_bytes
    space = FreeSpace(settings.uploads, store, "the worker", tmp_path)
    space._reusable = AsyncMock(return_value=10**9)
    for missing in (0, 1):

        async def measured(free: int = kept + WRITES + 2 * 3000 - missing) -> dict[str, int]:
            return {"MongoDB": free}

        space._disks = measured  # type: ignore[assignment]
        storing = space.check_storing(1000, others=2000)
        if missing:
            with pytest.raises(InsufficientResources):
                await storing
        else:
            await storing
