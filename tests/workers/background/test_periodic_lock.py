"""Housekeeping runs on one worker of all, and survives kills."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from models.__main__ import main as models_main
from models.redis.queue import connect
from models.replica_set import embedded_mongo_url
from models.settings import Settings
from models.store import Store
from models.store.files.gridfs import FileBucket
from tests.conftest import working
from tests.support import images
from tests.support.command import run_main
from tests.support.standalone_process import StandaloneProcess
from tests.support.task_factory import LONG_AGO, age, findings, finish, stored
from tests.workers.background.conftest import Send
from tests.workers.queue.test_jobs import wait_until
from workers.background.housekeeping import LOCK_NAME, delete_expired, run_if_due

URL = "/processed/cat-upscale-x2.png"


async def test_next_housekeeping_finishes_after_a_kill(
    send: Send, done: str, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await age(store)
    await delete_expired(settings.replace(original_ttl=0).retention, store)
    await age(store)

    async def half(self: FileBucket, file_id: Any) -> None:
        await self._files.delete_one({"_id": file_id})
        raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(FileBucket, "delete", half)
        with pytest.raises(KeyError):
            await delete_expired(settings.retention, store)
    assert await stored(store, "results") == (0, 1)
    assert (await delete_expired(settings.retention, store))["results_deleted"] == 1
    assert await stored(store, "results") == (0, 0)

    (original,) = [d async for d in store._database["originals.files"].find({})] or [None]
    if original is not None:  # killed between the two steps of an original's deletion
        assert await store.originals.mark_for_deletion(original["_id"], {})
        await store._database["originals.chunks"].delete_many({})
    await delete_expired(settings.retention, store)
    assert await stored(store, "originals") == (0, 0)
    assert await findings(store) == []


async def test_interrupted_expiry_continues(
    send: Send, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.files.retention._SAVE_EVERY_TASKS", 2)
    for number in range(7):
        body = await (await send(images.png(seed=number), f"{number}.png")).json()
        await finish(store, body["task_id"])
    await age(store)
    save_progress, marks = store.retention._save_progress, []

    async def dies(mark: Any) -> None:
        marks.append(mark)
        if len(marks) == 2:
            raise KeyError("killed")
        await save_progress(mark)

    monkeypatch.setattr(store.retention, "_save_progress", dies)
    with pytest.raises(KeyError):
        await store.retention.expire(3600)
    assert await store.retention.expire(3600) == 3
    assert await store.retention.expire(3600) == 0


async def test_one_of_many_workers_runs_housekeeping(
    send: Send, done: str, store: Store, settings: Settings
) -> None:
    runs = await asyncio.gather(*(run_if_due(f"w{n}", settings, store) for n in range(10)))
    assert sum(runs) == 1
    assert not await run_if_due("late", settings, store)  # not due yet
    await age(store)
    both = await asyncio.gather(*(store.retention.expire(3600) for _ in range(5)))
    assert sum(both) == 1
    await age(store)
    await asyncio.gather(*(delete_expired(settings.retention, store) for _ in range(5)))
    assert await findings(store) == []
    assert await stored(store, "results") == (0, 0)


async def test_turn_of_a_dead_worker_ends_with_the_interval(
    store: Store, settings: Settings
) -> None:
    assert await store.periodic_lock.acquire(LOCK_NAME, "dead", 60)
    assert not await run_if_due("next", settings, store)
    await store._database["state"].update_one({"_id": LOCK_NAME}, [{"$set": {"due_at": "$$NOW"}}])
    assert await run_if_due("next", settings, store)


async def test_housekeeping_survives_a_wiped_redis(
    client: Any, done: str, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await age(store)
    monkeypatch.setattr("workers.background.housekeeping._MAX_PAUSE_SECONDS", 0.05)
    redis = connect(settings.stores)
    async with working(settings), working(settings):
        await redis.flushdb()

        async def gone() -> bool:
            await redis.flushdb()
            return bool((await client.get(URL)).status == 410)

        await wait_until(gone)
    await redis.aclose(close_connection_pool=True)


async def test_housekeeping_deletes_intermediates_and_orphans(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.files.gridfs._DELETE_BATCH_FILES", 2)
    for number in range(5):
        await store.intermediates.put(io.BytesIO(b"x"), "x", {"key": f"{number}"})
    assert (await delete_expired(settings.retention, store))["intermediates"] == 0
    # In the future, since the ids of files have whole seconds.
    short = settings.retention.model_copy(update={"intermediate_ttl": -5})
    assert (await delete_expired(short, store))["intermediates"] == 5
    old = ObjectId.from_datetime(LONG_AGO)
    half = {"_id": old, "files_id": old, "n": 0, "data": b"half"}
    await store._database["results.chunks"].insert_one(half)
    assert (await delete_expired(settings.retention, store))[
        "orphans"
    ] == 0  # the scan is past it already
    await store._database["state"].delete_one({"_id": "orphans"})
    assert (await delete_expired(settings.retention, store))["orphans"] == 1


def test_standalone_housekeeping_survives_worker_kills(
    start_darkroom: Callable[..., StandaloneProcess], tmp_path: Path
) -> None:
    """Housekeeping continues when its worker is killed; the store stays consistent and empties."""
    darkroom = start_darkroom(
        RESULT_TTL="1",
        ORIGINAL_TTL="1",
        DELETE_GRACE_SECONDS="2",
        WORKERS="1",
    )

    def status(name: str) -> int:
        return darkroom.get(f"/processed/{name}")[0]

    for number in range(2):
        picture = tmp_path / f"{number}.png"
        picture.write_bytes(images.png(seed=number))
        body = darkroom.upload(picture, "?wait=60")
        assert body["status"] == "SUCCESS"
        darkroom.kill("worker-0")  # it may be running housekeeping
        darkroom.until(lambda n=number: status(f"{n}-upscale-x2.png") == 410, "expired")
        assert darkroom.task(body["task_id"])["url"] is None

    mongo_url = embedded_mongo_url(darkroom.data_dir)
    with MongoClient[dict[str, Any]](mongo_url) as client:
        left = [
            client["darkroom"][f"{kind}.{part}"]
            for kind in ("results", "originals")
            for part in ("files", "chunks")  # in this order they are deleted
        ]
        darkroom.until(lambda: not any(each.count_documents({}) for each in left), "empty")
    done = run_main(
        models_main, "check", DATA_DIR=str(darkroom.data_dir), DELETE_GRACE_SECONDS="0.2"
    )
    assert done.returncode == 0, done
    assert "2 tasks" in done.stdout and ".files" not in done.stdout
    retried = json.loads(
        darkroom.curl("-X", "POST", f"{darkroom.url}/tasks/{body['task_id']}/retry")
    )
    assert retried["code"] == "original_gone"


async def test_housekeeping_killed_at_any_step_is_completed(
    client: Any, send: Send, store: Store, settings: Settings
) -> None:
    for number in range(16):
        data = images.png(seed=number)
        body = await (await send(data, f"{number}.png")).json()
        await finish(store, body["task_id"])
        await age(store)
        if number % 2:  # its bytes are released, and their grace period is over
            await store.retention.expire(3600)
            await age(store)
        housekeeping = asyncio.create_task(delete_expired(settings.retention, store))
        await asyncio.sleep(0.002 * number)  # cancel at a different step each time
        housekeeping.cancel()
        await asyncio.gather(housekeeping, return_exceptions=True)
        assert (await client.get(f"/tasks/{body['task_id']}")).status == 200
    await age(store)
    await delete_expired(settings.retention, store)
    await age(store)
    await delete_expired(settings.retention, store)
    assert await stored(store, "results") == (0, 0)
    assert await stored(store, "originals") == (0, 0)
    assert await findings(store) == []
