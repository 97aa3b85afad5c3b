"""python -m models check: findings, repairs, and what it leaves alone."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from models.__main__ import main
from models.cli import check
from models.settings import Settings
from models.store import Store
from models.store.files.gridfs import CHUNK_BYTES
from service.app import create_app
from tests.conftest import working
from tests.support import images
from tests.support.command import Done, run_main
from tests.support.task_factory import LONG_AGO, age, findings, finish, got, stored, walk
from workers.background.housekeeping import delete_expired

Send = Callable[..., Awaitable[Any]]
URL = "/processed/cat-upscale-x2.png"
LARGE = bytes(range(256)) * (3 * CHUNK_BYTES // 256) + b"tail"


@pytest.fixture
async def done(send: Send, store: Store) -> str:
    """The id of a task with a result of four chunks."""
    task_id: str = (await (await send()).json())["task_id"]
    await finish(store, task_id, LARGE)
    return task_id


async def codes(store: Store, *, fast: bool = False) -> list[str]:
    return [finding.code for finding in await findings(store, fast=fast)]


async def repair(store: Store) -> list[bool]:
    """Repair during the scan, as the command does; return the outcomes."""
    return [await finding.repair() async for finding in walk(store)]


async def test_consistent_store_has_no_findings(
    client: Any,
    send: Send,
    done: str,
    store: Store,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await send(images.png(seed=3), "open.png")
    await send(name="dog.png")
    for fast in (False, True):
        assert await codes(store, fast=fast) == []
    capsys.readouterr()
    assert await check(settings) == 0
    out, _ = capsys.readouterr()
    assert "2 tasks" in out and "0 wrong, 0 repaired" in out
    async with working(settings):
        form = images.form(images.png(), "cat.png", operations="upscale=2")
        form.add_field("operations", "grayscale")
        await client.post("/process?wait=60", data=form)
    assert await codes(store) == []


async def damage(store: Store, how: str) -> None:
    database = store._database
    chunks, files = database["results.chunks"], database["results.files"]
    if how == "bytes":
        await chunks.update_one({"n": 2}, {"$set": {"data": bytes(CHUNK_BYTES)}})
    elif how == "chunk":
        await chunks.delete_one({"n": 1})
    elif how == "last chunk":
        await chunks.delete_one({"n": 3})
    elif how == "length":
        await files.update_one({}, {"$set": {"length": 5}})
    else:
        await files.delete_one({})


@pytest.mark.parametrize("how", ["bytes", "chunk", "last chunk", "length", "entry"])
async def test_damaged_result_is_recomputed(
    client: Any, send: Send, done: str, store: Store, settings: Settings, how: str
) -> None:
    await damage(store, how)
    chunk_codes = ["chunks_unowned"] if how == "entry" else []
    assert await codes(store, fast=True) == (
        [] if how == "bytes" else ["result_damaged", *chunk_codes]
    )
    assert await codes(store) == ["result_damaged", *chunk_codes]
    assert all(await repair(store))
    assert await codes(store) == []
    task = await got(store, done)
    assert (task.status, task.attempts, task.results) == ("CREATED", 0, [])
    async with working(settings):  # the sweep enqueues it
        made = await (await client.get(f"/tasks/{done}?wait=60")).json()
    assert (made["status"], made["url"]) == ("SUCCESS", URL)
    await age(store)
    await delete_expired(settings.retention, store)
    assert await stored(store, "results") == (1, 1)
    assert await codes(store) == []


async def test_lost_result_with_lost_original_fails_until_resubmitted(
    client: Any, send: Send, done: str, store: Store
) -> None:
    await damage(store, "entry")
    await store._database["originals.files"].delete_many({})
    assert "result_damaged" in await codes(store)
    assert all(await repair(store))
    assert await codes(store) == []
    shown = await (await client.get(f"/tasks/{done}")).json()
    assert (shown["status"], shown["error"]["code"]) == ("FAILURE", "original_gone")
    assert (await client.get(URL)).status == 404
    assert (await (await send()).json())["status"] == "CREATED"
    assert await codes(store) == []


async def test_damaged_original_is_stored_again(send: Send, store: Store) -> None:
    task_id = (await (await send()).json())["task_id"]
    await store._database["originals.chunks"].delete_many({})
    assert await codes(store) == ["original_damaged"]
    assert await repair(store) == [True, True]  # the original, and the task that needs it
    task = await got(store, task_id)
    assert (task.status, (task.error or {})["code"]) == ("FAILURE", "original_gone")
    assert (await (await send()).json())["status"] == "CREATED"
    assert await codes(store) == []
    await store.originals.delete_marked()
    assert await stored(store, "originals") == (1, 1)


async def test_open_task_gets_the_original_with_its_hash(send: Send, store: Store) -> None:
    task_id = (await (await send()).json())["task_id"]
    tasks = store._database["tasks"]
    await tasks.update_one({"_id": task_id}, {"$set": {"original_id": ObjectId()}})
    found = await codes(store)
    assert found == ["original_unowned", "original_missing"]
    (missing,) = [each for each in await findings(store) if each.code == "original_missing"]
    assert await missing.repair()
    assert await codes(store) == []
    assert (await got(store, task_id)).status == "CREATED"


async def test_unowned_files_chunks_and_names_are_found(
    send: Send, done: str, store: Store, settings: Settings
) -> None:
    database = store._database
    await store.results.put(io.BytesIO(b"dead"), "x", {"task_id": done, "token": "dead"})
    await store.results.put(io.BytesIO(b"odd"), "x", {})
    await store.originals.put(io.BytesIO(b"lone"), "x", {"key": "no hash of it"})
    for bucket in ("originals", "results", "intermediates"):
        # without the first chunk, which the orphan collector looks for
        await database[f"{bucket}.chunks"].insert_one(
            {"files_id": ObjectId(), "n": 3, "data": b"half"}
        )
    kept = await store.intermediates.put(io.BytesIO(b"half"), "x", {"key": "k"})
    await database["intermediates.chunks"].delete_one({"files_id": kept})
    await database["names"].insert_one({"_id": "lost\n.png", "task_id": "t" * 32, "part": 0})
    found = sorted(await codes(store))
    assert found == sorted(
        ["result_unowned"] * 2
        + ["original_damaged", "intermediate_damaged", "name_dangling"]
        + ["chunks_unowned"] * 3
    )
    # All of it is recent, or of unknown age.
    recent = [finding.code async for finding in store.check().findings()]
    assert sorted(recent) == ["intermediate_damaged", "name_dangling", "original_damaged"]
    assert all(await repair(store))
    await store.originals.delete_marked()
    assert await codes(store) == []
    assert await stored(store, "results") == (1, 4)
    assert await stored(store, "intermediates") == (0, 0)
    assert (await got(store, done)).status == "SUCCESS"


async def test_unused_original_is_found_unless_touched(store: Store) -> None:
    import hashlib

    data = b"unowned"
    sha256 = hashlib.sha256(data).hexdigest()
    await store.originals.find_or_store(io.BytesIO(data), "x", sha256)
    assert await codes(store) == ["original_unowned"]
    (finding,) = await findings(store)
    assert await store.originals.touch_by_hash(sha256)  # a task for it is being created
    assert not await finding.repair()
    assert await repair(store) == [True]
    assert await codes(store) == []


async def test_repair_keeps_a_name_reserved_again(store: Store) -> None:
    task_id = "t" * 32
    await store.result_names.reserve([["a.png"]], task_id)
    await age(store)
    (finding,) = await findings(store)
    assert await store.result_names.reserve([["a.png", "b.png"]], task_id) == ["a.png"]
    assert not await finding.repair()
    assert [each.code async for each in store.check().findings()] == []
    await age(store)
    assert await repair(store) == [True]
    assert await store.result_names.find("a.png") is None


async def test_missing_name_is_reserved(client: Any, done: str, store: Store) -> None:
    await store._database["names"].delete_many({})
    assert await codes(store) == ["name_missing"]
    assert await repair(store) == [True]
    assert (await client.get(URL)).status == 200
    await store._database["names"].update_one({}, {"$set": {"task_id": "another"}})
    assert await codes(store) == ["name_missing", "name_dangling"]


async def test_unreadable_task_is_reported(done: str, store: Store) -> None:
    await store._database["tasks"].update_one({"_id": done}, {"$unset": {"created_at": ""}})
    assert await codes(store) == ["task_unreadable"]
    assert await repair(store) == [False]


async def test_check_reads_all_pages(
    send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.store.files.consistency._PAGE_DOCUMENTS", 2)
    for number in range(5):
        body = await (await send(images.png(seed=number), f"{number}.png")).json()
        await finish(store, body["task_id"])
    scan = store.check()
    assert [finding async for finding in scan.findings()] == []
    assert (scan.counts["tasks"], scan.counts["names"]) == (5, 5)
    assert scan.counts["results.chunks"] == 5


async def test_check_finds_nothing_under_load(
    aiohttp_client: Any, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submissions, results, deletions and retention run at once; DELETE_GRACE_SECONDS protects."""
    monkeypatch.setattr("workers.background.housekeeping._MAX_PAUSE_SECONDS", 0.05)
    busy = settings.replace(result_ttl=1, original_ttl=1)
    client = await aiohttp_client(create_app(busy))
    finished = asyncio.Event()

    async def use() -> None:
        for number in range(12):
            data = images.png(16, 16, seed=number % 4)
            form = images.form(data, f"{number % 6}.png")
            body = await (await client.post("/grayscale?wait=30", data=form)).json()
            if number % 3 == 0 and body["url"]:
                await client.delete(body["url"])
        finished.set()

    found = []
    async with working(busy):
        client_task = asyncio.create_task(use())
        while not finished.is_set():
            found += [f"{f.code} {f.what}" async for f in store.check().findings()]
        await client_task
    assert found == []
    assert await codes(store) == []


def run(settings: Settings, *arguments: str, data_dir: Path = Path("nowhere")) -> Done:
    environment = {
        "MONGO_URL": settings.stores.mongo_url,
        "MONGO_DB": settings.stores.mongo_db,
        "DATA_DIR": str(data_dir),
        "STORE_TIMEOUT": str(settings.stores.store_timeout),
        "DELETE_GRACE_SECONDS": "0.0001",
    }
    return run_main(main, "check", *arguments, **environment)


async def test_check_command(done: str, store: Store, settings: Settings) -> None:
    async def ran(*arguments: str) -> Done:
        return await asyncio.to_thread(run, settings, *arguments)

    await store._database["names"].insert_one(
        {"_id": 'evil"\n\x1b[31m\u202e.png', "task_id": "t" * 32, "part": 0, "at": LONG_AGO}
    )
    await damage(store, "bytes")
    status, out, err = await ran("--fast")
    assert (status, err) == (1, "")
    assert out.isascii() and "\x1b" not in out
    line, looked, total = out.splitlines()
    assert line.startswith("name_dangling: ") and "\\n\\u001b[31m\\u202e" in line
    assert looked.startswith("looked at ")
    assert total == "1 wrong (1 name_dangling), 0 repaired"
    status, out, _ = await ran()
    assert status == 1 and "2 wrong" in out
    status, out, _ = await ran("--repair")
    assert status == 0 and "2 repaired" in out
    status, out, _ = await ran()
    assert status == 0 and "0 wrong, 0 repaired" in out


async def test_check_command_without_a_store(settings: Settings, tmp_path: Path) -> None:
    from standalone.embedded_stores import free_port

    url = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=x"
    away = settings.replace(mongo_url=url, store_timeout=0.3)
    status, out, err = await asyncio.to_thread(run, away)
    assert (status, out) == (2, "")
    assert "does not answer" in err and "Traceback" not in err
    none = settings.replace(mongo_url="")
    status, out, err = await asyncio.to_thread(run, none, data_dir=tmp_path)
    assert status == 2 and "MONGO_URL" in err
