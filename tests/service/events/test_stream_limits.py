"""Event streams: many, disconnected, stalled or above the limits, and across restarts."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import socket
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer, get_port_socket

from models.replica_set import replica_set_url
from models.settings import Settings
from models.store import Store
from models.store.tasks.change_stream import TaskChange
from service.app import create_app
from service.app_keys import STORE
from service.events import sse_hub
from service.events.sse_hub import EVENT_HUB
from standalone.embedded_stores import HOST
from tests.chaos.faults import port
from tests.models.store.test_change_stream import streams
from tests.models.store.test_leases import create_task
from tests.service.events.test_sse_hub import ERROR, claim, state
from tests.support import images
from tests.support.sse_client import listen
from tests.support.standalone_process import StandaloneProcess
from tests.workers.queue.test_jobs import wait_until

Send = Callable[..., Awaitable[Any]]


async def test_two_hundred_streams_cost_the_queries_of_one(
    settings: Settings,
    aiohttp_client: Any,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = 200
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
    assert [event.kind for event in await stream.all()] == ["task", "end"]


async def test_draining_ends_streams_at_once(client: Any, send: Send, aiohttp_client: Any) -> None:
    task_id = (await (await send()).json())["task_id"]
    stream = await listen(client, f"/tasks/{task_id}/events")
    await stream.next()
    client.app[EVENT_HUB].close()
    assert await stream.all() == []  # no end event: the browser reconnects elsewhere
    other = await aiohttp_client(client.server)
    late = await listen(other, f"/tasks/{task_id}/events")
    assert (await late.all(), late.retries) == ([], [2000])


class BrowserThread(threading.Thread):
    """Acts as a browser: reconnects with the last event id after each disconnect."""

    def __init__(self, darkroom: StandaloneProcess, path: str) -> None:
        super().__init__(daemon=True)
        self.darkroom, self.path = darkroom, path
        self.lines: list[str] = []
        self.connections = 0
        self.statuses: list[int] = []
        self.stopped = False

    def run(self) -> None:
        last = ""
        while not self.stopped:
            request = urllib.request.Request(f"{self.darkroom.url}{self.path}")
            request.add_header("Last-Event-ID", last)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    self.connections += 1
                    self.statuses.append(answer.status)
                    if answer.status == 204:
                        return
                    for raw in answer:
                        line = raw.decode().strip()
                        self.lines.append(line)
                        if line.startswith("id: "):
                            last = line[4:]
            except urllib.error.HTTPError as error:
                self.statuses.append(error.code)
            except OSError:
                continue

    def has_line(self, text: str) -> bool:
        return any(text in line for line in list(self.lines))


def cancel(darkroom: StandaloneProcess, task_id: str) -> bool:
    answer = darkroom.curl("-X", "DELETE", f"{darkroom.url}/tasks/{task_id}")
    return bool(answer) and json.loads(answer)["status"] == "CANCELLED"


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneProcess]:
    """A Darkroom of which these tests restart parts; each leaves it whole."""
    # No sweep, which would enqueue the tasks of ``start_task``.
    settings = {"SHUTDOWN_TIMEOUT": "300", "SWEEP_INTERVAL_SECONDS": "3600"}
    with StandaloneProcess(tmp_path_factory.mktemp("restarted") / "data", **settings) as started:
        yield started


async def start_task(darkroom: StandaloneProcess, mark: str) -> str:
    """Start a task that no worker runs: only cancelling ends it."""
    url = replica_set_url(HOST, port(darkroom, "mongo"))
    store = Store(Settings().replace(mongo_url=url))
    await create_task(store, mark)
    await store.leases.claim(mark[:32], worker="w", token="t", seconds=3600, max_attempts=1)
    store.close()
    return mark[:32]


@pytest.mark.integration
def test_mongodb_killed_in_the_middle(restarted: StandaloneProcess) -> None:
    task_id = asyncio.run(start_task(restarted, "a" * 64))
    page = BrowserThread(restarted, f"/tasks/{task_id}/events")
    page.start()
    restarted.until(lambda: page.has_line('"STARTED"'), "started")
    restarted.kill("mongo")
    restarted.until(lambda: cancel(restarted, task_id), "back")
    restarted.until(lambda: page.has_line("event: end"), "ended")
    page.join(30)
    assert page.has_line('"CANCELLED"')
    assert page.statuses == [200, 204]  # never disconnected


@pytest.mark.integration
def test_a_rolling_restart_does_not_wait_for_listeners(restarted: StandaloneProcess) -> None:
    task_id = asyncio.run(start_task(restarted, "b" * 64))
    page = BrowserThread(restarted, f"/tasks/{task_id}/events")
    page.start()
    restarted.until(lambda: page.connections == 1 and page.lines, "listening")
    assert restarted.process is not None
    restarted.process.send_signal(signal.SIGUSR2)
    restarted.until(lambda: b"\nreplaced\n" in restarted.log.read_bytes(), "replaced", 100)
    restarted.until(lambda: page.connections == 2, "connected again")
    restarted.until(lambda: cancel(restarted, task_id), "cancelled")
    restarted.until(lambda: page.has_line("event: end"), "end event from the next service")
    page.join(30)
    assert page.statuses == [200, 200, 204]
