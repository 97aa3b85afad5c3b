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
from service.app_keys import DRAINING, STORE
from service.handlers import health
from tests.support.paths import ROOT


async def test_concurrent_readiness_probes_ping_the_stores_once(
    aiohttp_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_CACHE_SECONDS", 3600)
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


async def test_healthz_shows_the_version(client: Any) -> None:
    response = await client.get("/healthz")
    assert await response.json() == {"status": "alive", "version": VERSION}


@pytest.mark.integration
def test_the_command_line_shows_the_version() -> None:
    command = [sys.executable, "-m", "service", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == f"darkroom {VERSION}\n"
