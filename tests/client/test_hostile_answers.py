"""What both clients make of a service that lies: an error of theirs, and bounded memory."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from darkroom.client import (
    AsyncDarkroom,
    BadAnswer,
    Darkroom,
    DarkroomError,
    Unreachable,
    transport,
)
from darkroom.client.documents import read_group, read_result, read_task

RESULT: dict[str, Any] = {
    "name": "cat.png",
    "url": "/processed/cat.png",
    "width": 1,
    "height": 1,
    "format": "png",
    "bytes": 5,
    "sha256": "0" * 64,
    "notes": [],
}
TASK: dict[str, Any] = {
    "task_id": "t",
    "group_id": "g",
    "status": "RUNNING",
    "progress": 10**12,
    "eta_seconds": None,
    "name": "cat.png",
    "results": [RESULT],
    "error": None,
}
Ask = Callable[[httpx.Response], Any]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """A function that asks for a task, and gets a response of httpx."""

    def threaded(response: httpx.Response) -> Any:
        with Darkroom("http://localhost", retry_seconds=0) as darkroom:
            darkroom._http = httpx.Client(
                base_url="http://localhost", transport=httpx.MockTransport(lambda _: response)
            )
            return darkroom.task("t")

    async def awaited(response: httpx.Response) -> Any:
        async with AsyncDarkroom("http://localhost", retry_seconds=0) as darkroom:
            darkroom._http = httpx.AsyncClient(
                base_url="http://localhost", transport=httpx.MockTransport(lambda _: response)
            )
            return await darkroom.task("t")

    if request.param == "sync":
        return threaded
    return lambda response: asyncio.run(awaited(response))


def test_an_answer_without_an_end(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_MAX_ANSWER_BYTES", 1000)
    assert ask(httpx.Response(200, json=TASK)).progress == 100  # or a bar would fill the memory
    for body in (b"a" * 1001, gzip.compress(bytes(100_000))):
        headers = {"Content-Encoding": "gzip"} if body[:1] != b"a" else {}
        for status in (200, 400):
            with pytest.raises(BadAnswer, match="more than 1000 bytes"):
                ask(httpx.Response(status, stream=httpx.ByteStream(body), headers=headers))


@pytest.mark.parametrize(
    "response",
    [
        {"content": b"[" * 100_000},
        {"content": b'{"task_id": Infinity'},
        {"content": json.dumps({**TASK, "eta_seconds": "x"}).encode()},
        {"content": json.dumps({**TASK, "progress": float("inf")}).encode()},
    ],
)
def test_an_answer_that_is_no_task(ask: Ask, response: Any) -> None:
    with pytest.raises(BadAnswer):
        ask(httpx.Response(200, **response))


def test_broken_compression_is_a_lost_answer(ask: Ask) -> None:
    stream = httpx.ByteStream(b"not gzip")
    with pytest.raises(Unreachable):
        ask(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream))


def test_a_refusal_nested_too_deep_is_one_without_a_code(ask: Ask) -> None:
    headers = {"Content-Type": "application/problem+json"}
    with pytest.raises(DarkroomError, match="status 400"):
        ask(httpx.Response(400, headers=headers, content=b"[" * 100_000))


@pytest.mark.parametrize("member", [{"bytes": float("inf")}, {"sha256": "ä"}, {"sha256": 5}])
def test_numbers_and_hashes_are_checked(member: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="not a result"):
        read_result({**RESULT, **member})
    with pytest.raises(BadAnswer, match="not a task"):
        read_task({**TASK, "results": [{**RESULT, **member}]})
    with pytest.raises(BadAnswer, match="not a group"):
        read_group({"tasks": 5})


@pytest.mark.parametrize("path", ["//evil/x", "/\t/evil", "/a\nb", "/" + "a" * 70_000, "x", "/\\x"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(DarkroomError, match="which is no path on it"), Darkroom("http://a") as it:
        it.read(read_result({**RESULT, "url": path}))
