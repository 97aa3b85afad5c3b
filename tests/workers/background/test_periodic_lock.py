"""Who keeps house: one of all, whoever dies or loses its turn in the middle."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from models.redis.queue import connect
from models.settings import Settings
from models.store import Store
from models.store.files.gridfs import Files
from tests.conftest import working
from tests.support import images
from tests.support.paths import ROOT
from tests.support.standalone_process import House
from tests.support.task_factory import LONG_AGO, age, findings, finish, stored
from tests.workers.background.conftest import Send
from tests.workers.queue.test_jobs import until
from workers.background.housekeeping import TURN, tidy, turn

URL = "/processed/cat-upscale-x2.png"


async def test_a_killed_housekeeper_leaves_nothing_that_the_next_does_not_find(
    send: Send, done: str, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await age(store)
    await tidy(settings.model_copy(update={"original_ttl": 0}), store)
    await age(store)

    async def half(self: Files, file_id: Any) -> None:
        await self._files.delete_one({"_id": file_id})
        raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Files, "delete", half)
        with pytest.raises(KeyError):
            await tidy(settings, store)
    assert await stored(store, "results") == (0, 1)
    assert (await tidy(settings, store))["results_deleted"] == 1
    assert await stored(store, "results") == (0, 0)

    (original,) = [d async for d in store._database["originals.files"].find({})] or [None]
    if original is not None:  # killed between the two steps of an original's deletion
        assert await store.originals.doom(original["_id"], {})
        await store._database["originals.chunks"].delete_many({})
    await tidy(settings, store)
    assert await stored(store, "originals") == (0, 0)
    assert await findings(store) == []


async def test_a_walk_that_was_broken_off_goes_on(
    send: Send, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.files.retention._STEP", 2)
    for number in range(7):
        body = await (await send(images.png(seed=number), f"{number}.png")).json()
        await finish(store, body["task_id"])
    await age(store)
    remember, marks = store.retention._remember, []

    async def dies(mark: Any) -> None:
        marks.append(mark)
        if len(marks) == 2:
            raise KeyError("killed")
        await remember(mark)

    monkeypatch.setattr(store.retention, "_remember", dies)
    with pytest.raises(KeyError):
        await store.retention.expire(3600)
    assert await store.retention.expire(3600) == 3
    assert await store.retention.expire(3600) == 0


async def test_of_many_housekeepers_one_has_the_turn(
    send: Send, done: str, store: Store, settings: Settings
) -> None:
    turns = await asyncio.gather(*(turn(f"w{n}", settings, store) for n in range(10)))
    assert sum(turns) == 1
    assert not await turn("late", settings, store)  # it is not due
    await age(store)
    both = await asyncio.gather(*(store.retention.expire(3600) for _ in range(5)))
    assert sum(both) == 1
    await age(store)
    await asyncio.gather(*(tidy(settings, store) for _ in range(5)))
    assert await findings(store) == []
    assert await stored(store, "results") == (0, 0)


async def test_a_dead_housekeepers_turn_is_taken_over(store: Store, settings: Settings) -> None:
    assert await store.turns.take(TURN, "dead", 60)
    assert not await store.turns.take(TURN, "next", 60)
    await store._database["state"].update_one({"_id": TURN}, [{"$set": {"until": "$$NOW"}}])
    assert await store.turns.take(TURN, "next", 60)
    assert not await store.turns.extend(TURN, "dead", 60)
    assert not await store.turns.leave(TURN, "dead", 0)
    assert await store.turns.leave(TURN, "next", 0)
    assert await turn("w", settings, store)


async def test_who_loses_the_turn_stops(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> dict[str, int]:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return {}

    monkeypatch.setattr("workers.background.housekeeping.tidy", slow)
    short = settings.model_copy(update={"lease_seconds": 0.2})
    keeping = asyncio.create_task(turn("w", short, store))
    await began.wait()
    await store._database["state"].update_one({"_id": TURN}, {"$set": {"holder": "other"}})
    assert not await keeping
    assert stopped.is_set()


async def test_workers_keep_house_though_redis_forgets(
    client: Any, done: str, store: Store, settings: Settings
) -> None:
    await age(store)
    often = settings.model_copy(update={"housekeeping_seconds": 0.05})
    redis = connect(settings)
    async with working(often), working(often):
        await redis.flushdb()

        async def gone() -> bool:
            await redis.flushdb()
            return bool((await client.get(URL)).status == 410)

        await until(gone)
    await redis.aclose(close_connection_pool=True)


async def test_intermediates_and_orphans_go_in_the_same_turn(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.files.gridfs._BATCH", 2)
    for number in range(5):
        await store.intermediates.put(io.BytesIO(b"x"), "x", {"key": f"{number}"})
    assert (await tidy(settings, store))["intermediates"] == 0
    short = settings.model_copy(update={"intermediate_ttl": -5})
    assert (await tidy(short, store))["intermediates"] == 5
    old = ObjectId.from_datetime(LONG_AGO)
    half = {"_id": old, "files_id": old, "n": 0, "data": b"half"}
    await store._database["results.chunks"].insert_one(half)
    assert (await tidy(settings, store))["orphans"] == 0  # its walk was past that already
    await store._database["state"].delete_one({"_id": "orphans"})
    assert (await tidy(settings, store))["orphans"] == 1


def test_a_whole_house_keeps_itself(new_house: Callable[..., House], tmp_path: Path) -> None:
    """Through the death of the one that keeps it; what is left is all there, and nothing else."""
    house = new_house(
        RESULT_TTL="1", ORIGINAL_TTL="1", DELETE_GRACE="2", HOUSEKEEPING_SECONDS="0.2", WORKERS="1"
    )

    def status(name: str) -> int:
        return house.get(f"/processed/{name}")[0]

    for turn_number in range(2):
        picture = tmp_path / f"{turn_number}.png"
        picture.write_bytes(images.png(seed=turn_number))
        body = house.upload(picture, "?wait=60")
        assert body["status"] == "SUCCESS"
        house.kill("worker-0")  # it may well be in the middle of its turn
        house.until(lambda n=turn_number: status(f"{n}-upscale-x2.png") == 410, "expired")
        assert house.task(body["task_id"])["url"] is None

    environment = {k: v for k, v in os.environ.items() if k not in {"MONGO_URL", "MONGO_DB"}}

    def left() -> int:
        done = subprocess.run(
            [sys.executable, "-m", "models", "check"],
            cwd=ROOT,
            env={**environment, "DATA_DIR": str(house.data_dir), "ORPHAN_SECONDS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 tasks" in done.stdout
        return done.stdout.count("results.files") + done.stdout.count("originals.files")

    house.until(lambda: left() == 0, "empty")
    retried = json.loads(house.curl("-X", "POST", f"{house.url}/tasks/{body['task_id']}/retry"))
    assert retried["code"] == "original_gone"


async def test_killed_anywhere_the_next_one_ends_it(
    client: Any, send: Send, store: Store, settings: Settings
) -> None:
    for number in range(16):
        data = images.png(seed=number)
        body = await (await send(data, f"{number}.png")).json()
        await finish(store, body["task_id"])
        await age(store)
        if number % 2:  # its bytes are let go of already, and their grace is over
            await store.retention.expire(3600)
            await age(store)
        keeping = asyncio.create_task(tidy(settings, store))
        await asyncio.sleep(0.002 * number)  # to be killed at another step each time
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert (await client.get(f"/tasks/{body['task_id']}")).status == 200
    await age(store)
    await tidy(settings, store)
    await age(store)
    await tidy(settings, store)
    assert await stored(store, "results") == (0, 0)
    assert await stored(store, "originals") == (0, 0)
    assert await findings(store) == []
