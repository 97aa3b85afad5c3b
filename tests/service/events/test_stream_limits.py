"""Event streams: many, disconnected, stalled or above the limits."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer, get_port_socket

from models.settings import Settings
from models.store import Store
from models.store.tasks.change_stream import TaskChange
from service.app import create_app
from service.app_keys import STORE
from service.events import sse_hub
from service.events.sse_hub import EVENT_HUB
from tests.models.store.test_change_stream import streams
from tests.service.events.test_sse_hub import ERROR, claim, state
from tests.support import images
from tests.support.sse_client import listen
from tests.workers.queue.test_jobs import wait_until

Send = Callable[..., Awaitable[Any]]


async def test_two_hundred_streams_cost_the_queries_of_one(
    settings: Settings,
    aiohttp_client: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = 200
    monkeypatch.setattr("service.events.queue_watch._FRESH_SECONDS", 3600.0)
    app = create_app(settings.replace(events_per_client=many))
    client = await aiohttp_client(app, connector=aiohttp.TCPConnector(limit=0))
    form = images.form(images.png(), "a.png")
    task_id = (await (await client.post("/upscale", data=form)).json())["task_id"]
    reads: list[str] = []
    store_of_app = client.app[STORE]
    for collection, name in (
        (store_of_app.tasks, "get"),
        (store_of_app.tasks, "get_many"),
        (store_of_app.fair_queue, "snapshot"),
    ):
        call = getattr(collection, name)

        async def counted(*given: Any, call: Any = call, name: str = name) -> Any:
            reads.append(name)
            return await call(*given)

        monkeypatch.setattr(collection, name, counted)
    path = f"/tasks/{task_id}/events"
    received = await asyncio.gather(*(listen(client, path) for _ in range(many)))
    assert {state(e) for e in await asyncio.gather(*(s.next() for s in received))} == {
        ("CREATED", 0, 0)
    }
    await until_streams(store, settings, 1)
    text = await (await client.get("/metrics")).text()
    assert f'darkroom_event_streams{{subject="task"}} {many}' in text
    await claim(store, task_id)
    for progress in (10, 50, 90):
        await store.leases.extend(task_id, "t", seconds=60, progress=progress)
    await store.leases.fail(task_id, "t", ERROR)
    events = await asyncio.gather(*(stream.all() for stream in received))
    assert {state(events[-2])[0] for events in events} == {"FAILURE"}
    assert reads.count("get") == 1
    assert reads.count("get_many") <= 8
    assert reads.count("snapshot") <= 4
    await wait_until(lambda: not client.app[EVENT_HUB]._streams)


async def until_streams(store: Store, settings: Settings, count: int) -> None:
    async with asyncio.timeout(20):
        while await streams(store, settings) != count:
            await asyncio.sleep(0.05)


async def test_without_streams_nothing_is_queried(
    client: Any, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse_hub, "_IDLE_SECONDS", 0.0)
    hub = client.app[EVENT_HUB]
    received: list[str | None] = []
    take = hub.on_change

    def noted(change: TaskChange) -> None:
        received.append(change.status)
        take(change)

    monkeypatch.setattr(hub, "on_change", noted)
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    await claim(store, task_id)
    progress = itertools.cycle(range(1, 100))

    async def reported() -> bool:
        await store.leases.extend(task_id, "t", seconds=60, progress=next(progress))
        return None in received

    await wait_until(reported)
    stream.response.close()
    await wait_until(lambda: not hub._streams and not client.app[STORE].change_stream._detailed)
    received.clear()
    other = (await (await send(images.png(seed=5), "o.png", query="?wait=0.01")).json())["task_id"]
    await claim(store, other)
    await store.leases.extend(other, "t", seconds=60, progress=50)
    waiting = asyncio.create_task(client.get(f"/tasks/{other}?wait=30"))
    await store.leases.fail(other, "t", ERROR)
    assert (await (await waiting).json())["status"] == "FAILURE"
    await wait_until(lambda: "FAILURE" in received)
    assert received == ["FAILURE"]


def connect(client: Any, path: str, **options: Any) -> socket.socket:
    """Send the request of an event stream and read nothing."""
    raw = socket.socket()
    for option, value in options.items():
        raw.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    raw.connect((client.host, client.port))
    raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return raw


@pytest.mark.parametrize("abruptly", [True, False])
async def test_disconnected_stream_is_cleaned_up(
    client: Any, send: Send, settings: Settings, abruptly: bool
) -> None:
    task_id = (await (await send()).json())["task_id"]
    hub = client.app[EVENT_HUB]
    pages = [connect(client, f"/{kind}/{task_id}/events") for kind in ("tasks", "status") * 5]
    await wait_until(lambda: len(hub._streams) == 10)
    assert hub._stream_slots.total == 10
    for page in pages:
        if abruptly:  # a reset instead of a FIN
            page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        page.close()
    await wait_until(lambda: not hub._streams)
    await wait_until(lambda: not hub._topics)
    assert (dict(hub._topics_by_task), hub._stream_slots.total) == ({}, 0)
    text = await (await client.get("/metrics")).text()
    assert 'darkroom_event_streams{subject="task"} 0' in text


def _small_buffers(host: str, number: int, family: socket.AddressFamily) -> socket.socket:
    """Return a listening socket whose connections buffer little of what the service sends."""
    listening = get_port_socket(host, number, family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return listening


async def test_stalled_stream_is_closed(
    settings: Settings, aiohttp_client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the socket buffer is full, only the newest state is kept for the client."""
    monkeypatch.setattr("service.handlers.events._STALL_SECONDS", 0.5)
    monkeypatch.setattr("service.events.sse_hub.MIN_INTERVAL_SECONDS", 0.001)
    server = TestServer(create_app(settings), socket_factory=_small_buffers)
    client = await aiohttp_client(server)
    form = aiohttp.FormData()
    for seed in range(40):
        form.add_field("image", images.png(seed=seed), filename=f"{seed}-{'x' * 90}.png")
    group = await (await client.post("/grayscale", data=form)).json()
    hub = client.app[EVENT_HUB]
    page = connect(client, f"/status/{group['group_id']}/events", SO_RCVBUF=2048)
    await wait_until(lambda: hub._streams)
    (task_id, *_) = [task["task_id"] for task in group["tasks"]]
    await claim(store, task_id)
    progress = 0
    async with asyncio.timeout(60):
        while hub._streams:
            progress = progress % 99 + 1
            await store.leases.extend(task_id, "t", seconds=60, progress=progress)
    page.close()


async def test_too_many_streams_of_one_client(settings: Settings, aiohttp_client: Any) -> None:
    tight = settings.replace(events_per_client=2, events_total=3, proxies=1)
    client = await aiohttp_client(create_app(tight))
    form = images.form(images.png(), "a.png")
    path = f"/tasks/{(await (await client.post('/upscale', data=form)).json())['task_id']}/events"

    async def connected(address: str) -> Any:
        return await client.get(path, headers={"X-Forwarded-For": address})

    one, two = [await connected("198.51.100.1") for _ in range(2)]
    refused = await connected("198.51.100.1")
    problem = await refused.json()
    assert (refused.status, problem["code"]) == (429, "too_many_streams")
    assert (problem["setting"], problem["limit"], problem["measured"]) == (
        "EVENTS_PER_CLIENT",
        2,
        2,
    )
    assert int(refused.headers["Retry-After"]) == problem["retry_after"] > 0
    assert (await connected("198.51.100.2")).status == 200
    problem = await (await connected("198.51.100.3")).json()
    assert (problem["setting"], problem["limit"], problem["measured"]) == ("EVENTS_TOTAL", 3, 3)
    one.close()
    await wait_until(lambda: client.app[EVENT_HUB]._stream_slots.total == 2)
    assert (await connected("198.51.100.1")).status == 200
    two.close()


async def test_too_many_tasks_in_the_streams_of_one_client(
    settings: Settings, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.events.sse_hub._TASKS_PER_STREAM", 1)
    monkeypatch.setattr("service.events.sse_hub._TASKS_PER_STREAM_OF_CLIENT", 1)
    changes = {"events_per_client": 3, "events_total": 5, "proxies": 1}
    client = await aiohttp_client(create_app(settings.replace(**changes)))
    form = images.form(images.png(seed=1), "a.png")
    form.add_field("image", images.png(seed=2), filename="b.png")
    group = await (await client.post("/upscale", data=form)).json()
    path = f"/status/{group['group_id']}/events"

    async def connected(address: str) -> Any:
        return await client.get(path, headers={"X-Forwarded-For": address})

    assert (await connected("198.51.100.1")).status == 200
    problem = await (await connected("198.51.100.1")).json()
    assert problem["code"] == "too_many_streams"
    assert (problem["setting"], problem["limit"], problem["measured"]) == (
        "EVENTS_PER_CLIENT",
        3,
        2,
    )
    assert (await connected("198.51.100.2")).status == 200
    problem = await (await connected("198.51.100.3")).json()
    assert (problem["setting"], problem["limit"], problem["measured"]) == (
        "EVENTS_TOTAL",
        5,
        4,
    )


async def test_disconnect_before_the_response_is_not_a_server_error(
    client: Any, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    task_id = (await (await send()).json())["task_id"]
    hub = client.app[EVENT_HUB]
    for _ in range(40):
        page = connect(client, f"/tasks/{task_id}/events")
        page.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        page.close()
    assert (await client.get("/healthz")).status == 200
    await wait_until(lambda: not hub._streams and not hub._stream_slots.total)
    text = await (await client.get("/metrics")).text()
    counts = [line for line in text.splitlines() if "/events" in line and 'status="500"' in line]
    assert counts == []


async def test_refused_streams_are_cleaned_up(client: Any) -> None:
    hub = client.app[EVENT_HUB]
    answers = await asyncio.gather(*(client.get(f"/tasks/{n}/events") for n in range(50)))
    assert {answer.status for answer in answers} == {404}
    assert (hub._topics, dict(hub._topics_by_task), hub._stream_slots.total) == ({}, {}, 0)


async def test_connection_is_reused_after_the_stream_ends(client: Any, send: Send) -> None:
    task_id = (await (await send()).json())["task_id"]
    await client.delete(f"/tasks/{task_id}")
    with connect(client, f"/tasks/{task_id}/events") as page:
        page.setblocking(False)
        loop, received = asyncio.get_running_loop(), b""
        async with asyncio.timeout(20):
            while not received.endswith(b"\r\n0\r\n\r\n"):
                received += await loop.sock_recv(page, 65536)
            assert b"event: end\ndata: {}\n" in received
            await loop.sock_sendall(page, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in await loop.sock_recv(page, 65536)


async def test_http_1_0_stream_ends_with_its_connection(client: Any, send: Send) -> None:
    task_id = (await (await send()).json())["task_id"]
    await client.delete(f"/tasks/{task_id}")
    with socket.create_connection((client.host, client.port)) as page:
        line = f"GET /tasks/{task_id}/events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        page.sendall(line.encode())
        page.setblocking(False)
        received = b""
        async with asyncio.timeout(20):
            while data := await asyncio.get_running_loop().sock_recv(page, 65536):
                received += data
        assert received.endswith(b"event: end\ndata: {}\n\n")


async def test_broken_change_stream_is_reopened_unnoticed(
    client: Any, send: Send, store: Store, settings: Settings
) -> None:
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    await stream.next()
    await wait_until(lambda: client.app[STORE].change_stream._detailed)
    for _ in range(2):
        operations = store._client.admin.aggregate([{"$currentOp": {"idleCursors": True}}])
        cursors = [
            op["cursor"]["cursorId"]
            async for op in operations
            if op.get("cursor", {}).get("tailable")
            and op["ns"].startswith(settings.stores.mongo_db)
        ]
        await store._database.command("killCursors", "tasks", cursors=cursors)
    await claim(store, task_id)
    assert state(await stream.next()) == ("STARTED", 0, None)
    await store.leases.fail(task_id, "t", ERROR)
    *_, last, end = await stream.all()  # an estimate that has changed is an event, too
    assert (state(last)[0], end.kind) == ("FAILURE", "end")


async def test_draining_ends_streams_at_once(client: Any, send: Send, aiohttp_client: Any) -> None:
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    await stream.next()
    client.app[EVENT_HUB].close()
    assert await stream.all() == []  # no end event: the browser reconnects elsewhere
    other = await aiohttp_client(client.server)
    late = await listen(other, f"/tasks/{task_id}/events")
    assert (await late.all(), late.retries) == ([], [2000])
