"""Hostile input costs the event loop short steps: measured against those of a harmless request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

import pytest
from aiohttp import web

from models.errors import AppError
from models.images.inspect import inspect
from models.settings import Settings
from service.app import create_app
from service.http.connection import Connection, ConnectionLimiter
from service.http.paced_reading import Turns
from tests.support import images

MOST = 25  # times as long as the longest step of a harmless request
HEAD = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\n"
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
FORM = b"multipart/form-data; boundary=x"
MIB = 1024 * 1024


def chunked(path: bytes, data: bytes, chunk: int) -> bytes:
    pieces = (data[at : at + chunk] for at in range(0, len(data), chunk))
    body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces)
    return HEAD % (path, FORM) + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def whole(path: bytes, data: bytes, kind: bytes = FORM) -> bytes:
    return HEAD % (path, kind) + b"Content-Length: %d\r\n\r\n" % len(data) + data


HOSTILE = {
    "chunks-of-one-byte": chunked(b"blur", PART + images.png() + bytes(200_000), 1),
    "the-same-without-a-route": chunked(b"nope", bytes(200_000), 1),
    "deep-json": whole(b"groups", b"[" * 200_000, b"application/json"),
    "many-fields": whole(
        b"login", b"&".join(b"a" for _ in range(100_000)), b"application/x-www-form-urlencoded"
    ),
    "line-ends": whole(b"blur", PART + images.png() + b"\r\n-" * 1_000_000),
    "json-of-texts": whole(b"blur", b'{"a": [' + b'"\\n",' * 40_000, b"application/json"),
    "json-of-escapes": whole(b"blur", b'{"image": "' + b"\\u0041" * 200_000, b"application/json"),
    "preamble": whole(b"blur", b"\r\n-" * 1_000_000),
}


class Steps:
    """The longest step of the running event loop, in seconds of processor time."""

    longest = 0.0

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        run = asyncio.Handle._run

        def timed(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - began)

        monkeypatch.setattr(asyncio.Handle, "_run", timed)

    async def of(self, port: int, request: bytes) -> float:
        """Return the longest step while ``request`` is sent and answered."""
        self.longest = 0.0
        await asyncio.to_thread(exchange, port, request)
        return self.longest


def exchange(port: int, request: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as opened,
        contextlib.suppress(ConnectionError),
    ):
        opened.sendall(request)
        while opened.recv(65536):
            pass


@pytest.fixture
async def port(settings: Settings) -> AsyncIterator[int]:
    runner = web.AppRunner(create_app(settings.replace(rate_limits="off")))
    await runner.setup()
    server, limiter = runner.server, ConnectionLimiter(settings.limits, 10_000)
    assert server is not None
    listening = await asyncio.get_running_loop().create_server(
        lambda: Connection(limiter, settings.http, server), "127.0.0.1", 0
    )
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    await runner.cleanup()


async def test_hostile_requests_take_short_steps(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    harmless = whole(b"blur", PART + images.png() + b"\r\n--x--\r\n")
    await steps.of(port, harmless)  # the first loads modules
    usual = max([await steps.of(port, harmless) for _ in range(5)])
    ratios = {name: await steps.of(port, sent) / usual for name, sent in HOSTILE.items()}
    assert max(ratios.values()) < MOST, ratios


@pytest.mark.parametrize(
    "content",
    [b"\xff\xd8" + b"\xff" * 8 * MIB, images.jpeg()[:-2] + b"\xff\0" * 4 * MIB],
    ids=["markers", "stuffed"],
)
def test_inspection_lets_other_threads_run(content: bytes) -> None:
    """The longest call into C, which holds the GIL, is a small part of the inspection."""
    longest = began = 0.0

    def watch(_frame: FrameType, event: str, _what: Any) -> None:
        nonlocal longest, began
        if event == "c_call":
            began = time.thread_time()
        elif event in {"c_return", "c_exception"}:
            longest = max(longest, time.thread_time() - began)

    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        start = time.thread_time()
        sys.setprofile(watch)
        with contextlib.suppress(AppError):
            inspect(file)
        sys.setprofile(None)
        whole_time = time.thread_time() - start
    assert longest < whole_time / 10


def test_costly_reads_of_all_connections_take_turns() -> None:
    turns = Turns()
    assert [turns.take(0.0, 1.0) for _ in range(3)] == [4.0, 8.0, 12.0]
    assert turns.take(100.0, 1.0) == 104.0
