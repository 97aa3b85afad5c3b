"""A child that a picture has taken over lies: its task fails, it is killed, nothing is broken."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest

from models.settings import Settings
from models.store import Store
from tests.conftest import Client, working
from tests.support import images
from tests.support.misbehaving_child import picture
from tests.workers.queue.test_jobs import Send, started_worker, wait_until

BAD_IMAGE = {"code": "bad_image", "detail": "x"}
LINES = [
    # What was stored of this made the task unreadable for good.
    json.dumps({"error": BAD_IMAGE, "ms": {"a": "b"}}),
    json.dumps({"error": {**BAD_IMAGE, "event": "x"}}),  # the logger's own argument
    json.dumps({"error": {"code": "store_unavailable", "detail": "x"}}),
    json.dumps({"error": {"code": "bad_image", "detail": "\ud800"}}),  # MongoDB takes no such text
    '{"progress": NaN}',
    "[" * 100_000,
]
HTML = "<html><script>alert(1)</script>"
MADE: list[dict[str, Any]] = [
    {"answer": {"results": [], "kept": {}, "report": None, "ms": {}}},
    {"answer": {"ms": {"decode": float("nan")}}},
    {"made": {"sha256": "0" * 64}},
    {"bytes": HTML},
    {"bytes": images.png(81, 60).decode("latin-1")},
]


@pytest.mark.parametrize(
    "lies", [[{"lines": [line]} for line in LINES], MADE], ids=["said", "made"]
)
async def test_a_lie_fails_its_task_and_ends_its_child(
    lies: list[dict[str, Any]],
    settings: Settings,
    client: Client,
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.child.process._PROGRAM", "tests.support.misbehaving_child")
    async with working(settings.model_copy(update={"max_attempts": 1})) as arq:
        worker = await started_worker(arq)
        for number, lie in enumerate(lies):
            await wait_until(lambda: len(worker.children.pids) == 1)
            (liar,) = worker.children.pids
            body = await (await send(picture(number, **lie), f"{number}.png", "?wait=30")).json()
            assert body["status"] == "FAILURE", lie
            assert body["error"]["code"] == "worker_crashed", lie
            assert body["results"] == []
            for path in (f"/tasks/{body['task_id']}", f"/status/{body['group_id']}"):
                assert (await client.get(path)).status == 200, lie
            assert (await client.get(f"/processed/{number}.png")).status == 404
            assert not psutil.pid_exists(liar), lie
        good = await (await send(query="?wait=30")).json()
        assert good["status"] == "SUCCESS"


async def test_lines_without_end_end_their_child(
    settings: Settings, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.process._PROGRAM", "tests.support.misbehaving_child")
    async with working(settings.model_copy(update={"max_attempts": 1})):
        flood = ['{"progress": 0}'] * 20_000
        body = await (await send(picture(lines=flood), query="?wait=30")).json()
        assert body["error"]["code"] == "worker_crashed"


async def test_true_facts_of_an_error_arrive(
    settings: Settings, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.process._PROGRAM", "tests.support.misbehaving_child")
    said = {"code": "bad_parameter", "detail": "crop", "limit": [4, 3], "measured": [5, 3]}
    async with working(settings) as arq:
        worker = await started_worker(arq)
        before = worker.children.pids
        line = json.dumps({"error": said, "resident_bytes": 1})
        body = await (await send(picture(lines=[line]), query="?wait=30")).json()
        assert (body["status"], body["error"]) == ("FAILURE", said)
        assert worker.children.pids == before
