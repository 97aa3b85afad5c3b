"""Retention: expiry of results and originals, the grace period, and recomputation."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp

from models.settings import Settings
from models.store import Store
from models.store.files.gridfs import CHUNK_BYTES
from models.tasks.group import Group
from models.tasks.zip_archive import archive_entries, failures
from tests.conftest import working
from tests.support import images
from tests.support.task_factory import RESULT, age, findings, finish, got, stored
from tests.workers.background.conftest import Send
from workers.background.housekeeping import delete_expired

URL = "/processed/cat-upscale-x2.png"


async def test_nothing_is_deleted_before_its_ttl(
    client: Any, done: str, store: Store, settings: Settings
) -> None:
    assert not any((await delete_expired(settings.retention, store)).values())
    assert (await client.get(URL)).status == 200
    await age(store)
    for_ever = settings.replace(result_ttl=0, original_ttl=0)
    assert not any((await delete_expired(for_ever.retention, store)).values())
    assert (await client.get(URL)).status == 200


async def test_expired_result_is_410(
    client: Any, done: str, store: Store, settings: Settings
) -> None:
    await age(store)
    assert (await delete_expired(settings.retention, store))["results_expired"] == 1
    assert (await delete_expired(settings.retention, store))["results_expired"] == 0
    for path in (URL, "/processed/cat.png", f"/tasks/{done}?redirect=1"):
        response = await client.get(path, allow_redirects=False)
        refused = await response.json()
        assert (response.status, refused["code"]) == (410, "result_gone")
        assert (refused["setting"], refused["limit"]) == ("RESULT_TTL", 3600)
        assert refused["task_id"] == done
    shown = await (await client.get(f"/tasks/{done}")).json()
    assert (shown["status"], shown["url"]) == ("SUCCESS", None)
    (result,) = shown["results"]
    assert (result["url"], result["gone"]["reason"]) == (None, "expired")
    assert result["bytes"] == len(RESULT)


async def test_bytes_are_kept_for_the_grace_period(
    done: str, store: Store, settings: Settings
) -> None:
    await age(store)
    assert (await delete_expired(settings.retention, store))["results_deleted"] == 0
    assert await stored(store, "results") == (1, 1)
    assert await findings(store) == []
    await store.orphans.collect()
    await age(store)
    assert (await delete_expired(settings.retention, store))["results_deleted"] == 1
    assert await stored(store, "results") == (0, 0)
    assert (await got(store, done)).waste == []
    assert await findings(store) == []


async def test_running_download_of_an_expired_result_completes(
    client: Any, send: Send, store: Store, settings: Settings
) -> None:
    task_id = (await (await send()).json())["task_id"]
    data = bytes(range(256)) * (24 * CHUNK_BYTES // 256)
    await finish(store, task_id, data)
    response = await client.get(URL)
    got_so_far = await response.content.readexactly(1000)
    await age(store)
    await delete_expired(settings.retention, store)
    assert (await client.get(URL)).status == 410
    assert got_so_far + await response.read() == data


async def test_resubmission_recomputes_an_expired_result(
    client: Any, send: Send, done: str, store: Store, settings: Settings
) -> None:
    await age(store)
    await delete_expired(settings.retention, store)
    again = await send()
    body = await again.json()
    assert (again.status, body["task_id"], body["status"]) == (202, done, "CREATED")
    assert (body["results"], body["error"]) == ([], None)
    assert (await got(store, done)).attempts == 0
    await age(store)
    async with working(settings):
        made = await (await send(query="?wait=60")).json()
    assert (made["status"], made["url"]) == ("SUCCESS", URL)
    assert (await client.get(URL)).status == 200
    assert await findings(store) == []


async def test_retry_recomputes_an_expired_result(
    client: Any, done: str, store: Store, settings: Settings
) -> None:
    assert (await client.post(f"/tasks/{done}/retry")).status == 409
    await age(store)
    await delete_expired(settings.replace(original_ttl=0).retention, store)
    response = await client.post(f"/tasks/{done}/retry")
    assert (response.status, (await response.json())["status"]) == (202, "CREATED")
    await finish(store, done)
    assert (await client.get(URL)).status == 200


async def test_retry_without_original_is_refused_until_resubmitted(
    client: Any, send: Send, done: str, store: Store, settings: Settings
) -> None:
    await age(store)
    gone = await delete_expired(settings.retention, store)
    assert (gone["originals_expired"], gone["originals_deleted"]) == (1, 1)
    assert await stored(store, "originals") == (0, 0)
    response = await client.post(f"/tasks/{done}/retry")
    refused = await response.json()
    assert (response.status, refused["code"]) == (409, "original_gone")
    assert (refused["setting"], refused["limit"]) == ("ORIGINAL_TTL", 3600)
    assert (await got(store, done)).status == "SUCCESS"
    assert (await (await send()).json())["status"] == "CREATED"
    assert await stored(store, "originals") == (1, 1)
    task = await got(store, done)
    assert await store.originals.touch(task.original_id)
    # Another operation on the same picture brings it back for a retry, too.
    await client.delete(f"/tasks/{done}")
    await age(store)
    await delete_expired(settings.retention, store)
    assert (await client.post(f"/tasks/{done}/retry")).status == 409
    form = images.form(images.png(), "other.png")
    assert (await client.post("/grayscale", data=form)).status == 202
    assert (await client.post(f"/tasks/{done}/retry")).status == 202
    assert await findings(store) == []


async def test_original_is_kept_while_an_open_task_needs_it(
    client: Any, send: Send, store: Store, settings: Settings
) -> None:
    task_id = (await (await send()).json())["task_id"]
    await age(store)
    assert (await delete_expired(settings.retention, store))["originals_expired"] == 0
    claim: Any = {"worker": "w", "token": "t", "seconds": 60, "max_attempts": 3}
    await store.leases.claim(task_id, **claim)
    assert (await delete_expired(settings.retention, store))["originals_expired"] == 0
    await store.leases.fail(task_id, "t", {"code": "internal", "detail": ""})
    assert (await delete_expired(settings.retention, store))["originals_expired"] == 1


async def test_original_without_used_at_gets_its_upload_date(
    store: Store, settings: Settings
) -> None:
    old = await store.originals.put(io.BytesIO(b"old"), "x", {"key": "sha"})
    assert (await delete_expired(settings.retention, store))["originals_expired"] == 0
    entry = await store._database["originals.files"].find_one({"_id": old})
    assert entry is not None and entry["metadata"]["used_at"] == entry["uploadDate"]
    await age(store)
    assert (await delete_expired(settings.retention, store))["originals_deleted"] == 1


async def test_original_reused_while_it_expires(
    client: Any, store: Store, settings: Settings
) -> None:
    """Whichever comes first, the task has its original: the old one, or a new copy."""
    kept = 0
    for number in range(24):
        await age(store)

        async def late(turns: int = number) -> dict[str, int]:
            for _ in range(turns % 8):
                await asyncio.sleep(0.001)
            return await delete_expired(settings.retention, store)

        form = images.form(images.png(), "cat.png", kernel=str(2 * number + 3))
        posts = [client.post("/blur", data=form)]
        response, *_ = await asyncio.gather(*posts, late(), late())
        task = await got(store, (await response.json())["task_id"])
        assert task.status == "CREATED"
        entry = await store._database["originals.files"].find_one({"_id": task.original_id})
        assert entry is not None and "key" in entry["metadata"]
        assert (
            await store.originals.find_damage(task.original_id, None, task.original_sha256) is None
        )
        kept += 1
        await store.tasks.cancel(task.id, {"code": "cancelled", "detail": ""})
    assert kept == 24
    await delete_expired(settings.retention, store)
    assert await findings(store) == []


async def test_concurrent_resubmissions_while_a_result_expires(
    client: Any, send: Send, store: Store, settings: Settings
) -> None:
    task_id = (await (await send()).json())["task_id"]
    for number in range(12):
        await finish(store, task_id)
        await age(store)
        names = ["cat.png", f"{number}.png", "cat.png", f"{number}-b.png"]
        answers = await asyncio.gather(
            delete_expired(settings.retention, store),
            *(send(name=name) for name in names),
            delete_expired(settings.retention, store),
        )
        bodies = [await response.json() for response in answers[1:-1]]
        assert {body["status"] for body in bodies} <= {"SUCCESS", "CREATED"}
        for body in bodies:  # no response has a dead URL
            assert bool(body["url"]) == (body["status"] == "SUCCESS")
        task = await got(store, task_id)
        if task.status == "SUCCESS":  # all responses came before it expired
            assert task.results_lost
            assert (await (await send()).json())["status"] == "CREATED"
        task = await got(store, task_id)
        assert (task.status, task.attempts, task.results) == ("CREATED", 0, [])
    await age(store)
    await delete_expired(settings.retention, store)
    assert await stored(store, "results") == (0, 0)
    assert await findings(store) == []


async def test_archive_reports_expired_results(done: str, store: Store, settings: Settings) -> None:
    await age(store)
    await delete_expired(settings.retention, store)
    task = await got(store, done)
    group = Group.of_one(task)
    assert archive_entries(group, {task.id: task}) == []
    assert failures(group, {task.id: task}) == [
        {"name": "cat.png", "detail": "1 of its results are gone", "code": "result_gone"}
    ]


async def test_legacy_calls_hide_expired_results(
    client: Any, store: Store, settings: Settings
) -> None:
    form = aiohttp.FormData()
    form.add_field("file", images.png(), filename="cat.png")
    body = await (await client.post("/convert", data=form)).json()
    await finish(store, body["submission_task_id"])
    path = f"/convert/{body['submission_task_id']}"
    assert "url" in await (await client.get(path)).json()
    await age(store)
    await delete_expired(settings.retention, store)
    shown = await (await client.get(path)).json()
    assert shown["submission_status"] == "SUCCESS" and "url" not in shown


async def test_worker_without_original_fails_until_resubmitted(
    send: Send, store: Store, settings: Settings
) -> None:
    body = await (await send()).json()
    await store._database["originals.chunks"].delete_many({})
    async with working(settings):
        waiting = await (await send(query="?wait=30")).json()
        assert waiting["error"]["code"] == "original_gone"
        done = await (await send(query="?wait=30")).json()
    assert (done["task_id"], done["status"]) == (body["task_id"], "SUCCESS")
