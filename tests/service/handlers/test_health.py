"""/healthz and /readyz; concurrent readiness probes share one check of the stores."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from models import VERSION
from models.settings import Settings
from service.app import create_app
from service.app_keys import DRAINING, QUEUE, STORE
from service.handlers import health
from standalone.embedded_stores import free_port
from tests.support import images
from tests.support.paths import ROOT


async def test_concurrent_readiness_probes_ping_the_stores_once(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_CACHE_SECONDS", 3600)
    monkeypatch.setattr(health, "_ANSWER_SECONDS", 60.0)
    client = await aiohttp_client(create_app(settings))
    store, pings = client.app[STORE], 0
    ping = store.ping

    async def counting_ping() -> None:
        nonlocal pings
        pings += 1
        await ping()

    monkeypatch.setattr(store, "ping", counting_ping)
    responses = await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
    assert {response.status for response in responses} == {503}  # no worker runs
    assert pings == 1
    client.app[DRAINING].set()  # not cached, so it shows at once
    body = await (await client.get("/readyz")).json()
    assert body["missing"] == ["workers", "draining"]
    assert pings == 1


async def test_a_store_that_hangs_is_missing_soon(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    async def answer_at_once() -> None:
        pass

    monkeypatch.setattr(health, "_ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(client.app[STORE], "ping", hang)
    monkeypatch.setattr(client.app[QUEUE], "ping", answer_at_once)
    response = await client.get("/readyz")
    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert (await response.json())["missing"] == ["mongodb", "workers"]


async def test_without_redis_it_is_ready_and_accepts_uploads(
    aiohttp_client: Any, settings: Settings
) -> None:
    changed = settings.replace(redis_url=f"redis://127.0.0.1:{free_port()}/0", rate_limits="on")
    client = await aiohttp_client(create_app(changed))
    await client.app[STORE].workers.report("w", first=True)
    response = await client.get("/readyz")
    assert (response.status, await response.json()) == (
        200,
        {"status": "ready", "missing": ["redis"], "workers": 1},
    )
    upload = await client.post("/upscale", data=images.form(images.png(), "cat.png"))
    assert upload.status == 202


async def test_healthz_shows_the_version(client: Any) -> None:
    response = await client.get("/healthz")
    assert await response.json() == {"status": "alive", "version": VERSION}


@pytest.mark.integration
def test_the_command_line_shows_the_version() -> None:
    command = [sys.executable, "-m", "service", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == f"darkroom {VERSION}\n"
