"""A child that a picture took over sends false messages: its task fails, the child is killed."""

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
    # Storing this once made the task unreadable.
    json.dumps({"error": BAD_IMAGE, "ms": {"a": "b"}}),
    json.dumps({"error": {**BAD_IMAGE, "event": "x"}}),  # a parameter of the logger
    json.dumps({"error": {"code": "store_unavailable", "detail": "x"}}),
    json.dumps(
        {"error": {"code": "bad_image", "detail": "\ud800"}}
    ),  # MongoDB cannot store this text
    '{"progress": NaN}',
    "[" * 100_000,
]
HTML = "<html><script>alert(1)</script>"
FILES: list[dict[str, Any]] = [
    {"message": {"results": [], "kept": {}, "report": None, "ms": {}}},
    {"message": {"ms": {"decode": float("nan")}}},
    {"file": {"sha256": "0" * 64}},
    {"bytes": HTML},
    {"bytes": images.png(81, 60).decode("latin-1")},
]


@pytest.mark.parametrize(
    "forgeries", [[{"lines": [line]} for line in LINES], FILES], ids=["lines", "files"]
)
async def test_invalid_message_fails_the_task_and_kills_the_child(
    forgeries: list[dict[str, Any]],
    settings: Settings,
    client: Client,
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.misbehaving_child")
    async with working(settings.replace(max_attempts=1)) as arq:
        worker = await started_worker(arq)
        for number, forgery in enumerate(forgeries):
            await wait_until(lambda: len(worker.children.pids) == 1)
            (pid,) = worker.children.pids
            body = await (
                await send(picture(number, **forgery), f"{number}.png", "?wait=30")
            ).json()
            assert body["status"] == "FAILURE", forgery
            assert body["error"]["code"] == "worker_crashed", forgery
            assert body["results"] == []
            for path in (f"/tasks/{body['task_id']}", f"/status/{body['group_id']}"):
                assert (await client.get(path)).status == 200, forgery
            assert (await client.get(f"/processed/{number}.png")).status == 404
            assert not psutil.pid_exists(pid), forgery
        good = await (await send(query="?wait=30")).json()
        assert good["status"] == "SUCCESS"


async def test_flood_of_messages_kills_the_child(
    settings: Settings, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.misbehaving_child")
    async with working(settings.replace(max_attempts=1)):
        flood = ['{"progress": 0}'] * 20_000
        body = await (await send(picture(lines=flood), query="?wait=30")).json()
        assert body["error"]["code"] == "worker_crashed"


async def test_valid_error_members_reach_the_response(
    settings: Settings, send: Send, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.child.fork_server._PROGRAM", "tests.support.misbehaving_child")
    error = {"code": "bad_parameter", "detail": "crop", "limit": [4, 3], "measured": [5, 3]}
    async with working(settings) as arq:
        worker = await started_worker(arq)
        before = worker.children.pids
        line = json.dumps({"error": error})
        body = await (await send(picture(lines=[line]), query="?wait=30")).json()
        assert (body["status"], body["error"]) == ("FAILURE", error)
        assert worker.children.pids == before
