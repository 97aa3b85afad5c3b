"""GET /tasks/<id>: state, long poll, redirect to the result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import STORE
from service.events.long_poll import COMPLETION_WAITER
from tests.support import images
from tests.support.databases import break_change_streams
from tests.workers.queue.test_jobs import wait_until

Send = Callable[..., Awaitable[Any]]


async def test_unknown_task(client: Any) -> None:
    for task_id in ("nope", "0" * 32, "%24ne", "a" * 5000):
        response = await client.get(f"/tasks/{task_id}")
        assert response.status == 404
        assert response.content_type == "application/problem+json"
        assert (await response.json())["code"] == "not_found"


async def test_created_task(client: Any, send: Send) -> None:
    body = await (await send()).json()
    response = await client.get(f"/tasks/{body['task_id']}")
    assert response.status == 200
    assert await response.json() == body
    assert response.headers["Cache-Control"] == "no-store"


async def test_long_poll_ends_with_the_task(client: Any, send: Send, worker: Any) -> None:
    body = await (await send()).json()
    response = await client.get(f"/tasks/{body['task_id']}?wait=30")
    done = await response.json()
    assert (response.status, done["status"], done["progress"]) == (200, "SUCCESS", 100)
    assert done["url"] == "/processed/cat-upscale-x2.png"


async def test_long_poll_times_out(client: Any, send: Send) -> None:
    posted = await send(query="?wait=0.05")
    assert posted.status == 202
    body = await posted.json()
    assert body["status"] == "CREATED"
    polled = await client.get(f"/tasks/{body['task_id']}?wait=0.05")
    assert (polled.status, (await polled.json())["status"]) == (200, "CREATED")


async def test_long_poll_that_times_out_returns_the_current_state(
    client: Any, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = await (await send()).json()
    tasks, reads, changed = client.app[STORE].tasks, 0, asyncio.Event()
    get = tasks.get

    async def get_what_changed(*wanted: Any) -> Any:
        """Let the reads after the first one wait for the change, as if that took no time."""
        nonlocal reads
        reads += 1
        if reads > 1:
            await changed.wait()
        return await get(*wanted)

    monkeypatch.setattr(tasks, "get", get_what_changed)
    waiting = asyncio.create_task(client.get(f"/tasks/{body['task_id']}?wait=0.1"))
    await wait_until(lambda: reads)
    await store.leases.claim(body["task_id"], worker="w", token="t", seconds=9, max_attempts=1)
    await store.leases.extend(body["task_id"], "t", seconds=9, progress=50)
    changed.set()
    answer = await (await waiting).json()
    assert (answer["status"], answer["progress"]) == ("STARTED", 50)


async def test_long_poll_reads_the_task_twice(
    client: Any, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = await (await send()).json()
    reads = missed = 0
    tasks, waiter = client.app[STORE].tasks, client.app[COMPLETION_WAITER]
    get, wake_all = tasks.get, waiter.on_missed_changes

    def counting_wake_all() -> None:
        nonlocal missed
        missed += 1
        wake_all()

    async def counting_get(*wanted: Any) -> Any:
        nonlocal reads
        found = await get(*wanted)
        reads += 1  # not before: the task must not end within the first read
        return found

    monkeypatch.setattr(tasks, "get", counting_get)
    monkeypatch.setattr(waiter, "on_missed_changes", counting_wake_all)
    waiting = [
        asyncio.create_task(client.get(f"/tasks/{body['task_id']}?wait=30")) for _ in range(20)
    ]
    while reads < 20:
        await asyncio.sleep(0.01)
    await store.leases.claim(body["task_id"], worker="w", token="t", seconds=9, max_attempts=1)
    await store.leases.extend(body["task_id"], "t", seconds=9, progress=50)
    await store.leases.fail(body["task_id"], "t", {"code": "bad_image", "detail": "broken"})
    answers = [await (await response).json() for response in waiting]
    assert {answer["status"] for answer in answers} == {"FAILURE"}
    assert answers[0]["error"] == {"code": "bad_image", "detail": "broken"}
    assert 40 <= reads <= 20 * (2 + missed)  # missed: the change stream was opened meanwhile


async def test_long_poll_survives_a_broken_change_stream(
    client: Any, send: Send, store: Store
) -> None:
    body = await (await send()).json()
    waiting = asyncio.create_task(client.get(f"/tasks/{body['task_id']}?wait=30"))
    while not client.app[COMPLETION_WAITER]._waiters:
        await asyncio.sleep(0.01)
    await break_change_streams(store)
    await store.leases.claim(body["task_id"], worker="w", token="t", seconds=9, max_attempts=1)
    await store.leases.fail(body["task_id"], "t", {"code": "bad_image", "detail": "broken"})
    assert (await (await waiting).json())["status"] == "FAILURE"


@pytest.mark.parametrize("wait", ["abc", "-1", "nan", "inf", "1e999", "1_0", "１", ""])
async def test_invalid_wait_is_refused(client: Any, wait: str) -> None:
    response = await client.get(f"/tasks/x?wait={wait}")
    assert response.status == 422
    assert (await response.json())["parameter"] == "wait"


async def test_wait_is_capped_at_max_wait(settings: Settings, aiohttp_client: Any) -> None:
    client = await aiohttp_client(create_app(settings.replace(max_wait=0.05)))
    form = images.form(images.png(), "cat.png")
    assert (await client.post("/upscale?wait=99999", data=form)).status == 202


async def test_prefer_wait(send: Send, client: Any, worker: Any) -> None:
    form = images.form(images.png(), "cat.png")
    response = await client.post(
        "/upscale", data=form, headers={"Prefer": "respond-async, wait=30"}
    )
    assert (response.status, (await response.json())["status"]) == (200, "SUCCESS")


async def test_redirect_to_the_result(client: Any, worker: Any) -> None:
    for query, headers in (
        ("?wait=30&redirect=1", {}),
        ("?wait=30", {"Accept": "image/*"}),
        ("?wait=30", {"Accept": "image/png;q=0.9"}),
    ):
        response = await client.post(
            f"/upscale{query}",
            data=images.form(images.png(), "cat.png"),
            headers=headers,
            allow_redirects=False,
        )
        assert response.status == 303
        assert response.headers["Location"] == "/processed/cat-upscale-x2.png"
        assert response.headers["X-Request-ID"]


async def test_no_redirect_by_default(client: Any, worker: Any) -> None:
    for query, headers in (
        ("", {"Accept": "*/*"}),
        ("", {"Accept": "text/html,image/avif,image/webp,*/*;q=0.8"}),
        ("&redirect=0", {"Accept": "image/*"}),
    ):
        response = await client.post(
            f"/upscale?wait=30{query}",
            data=images.form(images.png(), "cat.png"),
            headers=headers,
            allow_redirects=False,
        )
        assert response.status == 200
    response = await client.get("/tasks/x?redirect=yes")
    assert response.status == 422


async def test_redirect_leads_to_the_image(client: Any, worker: Any) -> None:
    form = images.form(images.png(), "cat.png")
    response = await client.post("/upscale?wait=30&redirect=1", data=form)
    assert response.content_type == "image/png"
    assert images.decoded(await response.read()).size == (80, 60)


async def test_redirect_of_an_unfinished_task_is_202_with_location(send: Send) -> None:
    response = await send(query="?redirect=1")
    assert response.status == 202
    assert response.headers["Location"].startswith("/tasks/")


async def test_redirect_of_a_failed_task_is_its_error(
    send: Send, client: Any, store: Store
) -> None:
    body = await (await send()).json()
    await store.leases.claim(body["task_id"], worker="w", token="t", seconds=9, max_attempts=1)
    await store.leases.fail(body["task_id"], "t", {"code": "bad_image", "detail": "broken"})
    response = await client.get(f"/tasks/{body['task_id']}?redirect=1")
    assert response.status == 422
    assert (await response.json())["code"] == "bad_image"
    plain = await client.get(f"/tasks/{body['task_id']}")
    assert (plain.status, (await plain.json())["status"]) == (200, "FAILURE")


async def test_shutdown_ends_long_polls(
    settings: Settings, aiohttp_server: Any, aiohttp_client: Any
) -> None:
    server = await aiohttp_server(create_app(settings))
    client = await aiohttp_client(server)
    response = await client.post("/upscale", data=images.form(images.png(), "a.png"))
    task_id = (await response.json())["task_id"]
    waiting = asyncio.create_task(client.get(f"/tasks/{task_id}?wait=60"))
    while not server.app[COMPLETION_WAITER]._waiters:
        await asyncio.sleep(0.01)
    began = time.monotonic()
    closing = asyncio.create_task(server.close())
    answer = await waiting
    assert (answer.status, (await answer.json())["status"]) == (200, "CREATED")
    assert time.monotonic() - began < 30
    await closing
