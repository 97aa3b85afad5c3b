"""The path of one upload through the service's files, as docs/architecture.md describes it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from models.settings import Settings
from service.app import create_app
from tests.support import images
from tests.support.call_trace import CallTrace
from tests.support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = ("service/handlers/", "service/submissions/", "service/uploads/")
PER_CHUNK = {
    "service/uploads/disk_space.py",
    "service/uploads/form.py",
    "service/uploads/incoming_file.py",
    "service/uploads/spool.py",
}
"""Entered for every chunk of the body, not once."""


def documented() -> list[str]:
    return re.findall(r"^\| \d+ \| `([\w/.]+)` \|", DOCUMENT, re.MULTILINE)


async def test_upload_follows_the_documented_path_without_returns(
    settings: Settings, aiohttp_client: Any
) -> None:
    trace = CallTrace()

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        with trace:
            return await handler(request)

    app = create_app(settings)
    app.middlewares.append(record)  # the innermost: nothing but the handler is recorded
    client = await aiohttp_client(app)
    response = await client.post("/upscale", data=images.form(images.png(), "cat.png"))
    assert response.status == 202
    steps = documented()
    assert [path for path in trace.files if path in steps] == steps
    assert {path for path in trace.files if path.startswith(FOLDERS)} <= set(steps)
    visits = Counter(path for path in trace.visits if path in steps and path not in PER_CHUNK)
    assert set(visits.values()) == {1}, visits
    counted = {folder: len([p for p in trace.files if p.startswith(folder)]) for folder in FOLDERS}
    assert sum(counted.values()) == len(steps) - 1


def test_every_path_in_the_document_exists() -> None:
    paths = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", DOCUMENT)
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []
