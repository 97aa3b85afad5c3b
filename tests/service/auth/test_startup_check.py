"""A service that others can reach does not start without keys; the command that makes them."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.auth.api_key import Scope, key_id_of
from models.errors import BadSettings
from models.settings import Settings
from models.store import Store
from service.auth import keys_cli, startup_check
from standalone.embedded_stores import free_port
from tests.conftest import Client
from tests.support import api_key_clients
from tests.support.paths import ROOT
from tests.support.standalone_process import StandaloneProcess


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "pictures.example.org"])
async def test_other_address_than_loopback_needs_keys_or_allow_anonymous(
    settings: Settings, store: Store, host: str
) -> None:
    def updated(**update: Any) -> Settings:
        return settings.replace(**{"host": host, **update})

    for update in ({}, {"api_keys": "on"}, {"api_keys": "off"}):
        with pytest.raises(BadSettings, match="ALLOW_ANONYMOUS=1"):
            await startup_check.check(updated(**update), store.api_keys.any_live)
        await startup_check.check(updated(**update, allow_anonymous=True), store.api_keys.any_live)
    key, _ = await store.api_keys.create("ann", api_key_clients.BOTH, -1)
    with pytest.raises(BadSettings, match="no API key"):  # it has expired
        await startup_check.check(updated(), store.api_keys.any_live)
    key, _ = await store.api_keys.create("ann", api_key_clients.BOTH)
    await startup_check.check(updated(), store.api_keys.any_live)
    with pytest.raises(BadSettings, match="API_KEYS=off"):
        await startup_check.check(updated(api_keys="off"), store.api_keys.any_live)
    await store.api_keys.revoke(key.id)
    with pytest.raises(BadSettings, match="service keys create"):
        await startup_check.check(updated(), store.api_keys.any_live)


async def test_loopback_needs_no_key(client: Client) -> None:
    assert (await client.get("/operations")).status == 200
    assert (await client.get("/login", allow_redirects=False)).status == 303


async def test_keys_command_creates_lists_rotates_and_revokes(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(*arguments: str) -> tuple[int, str]:
        status = await asyncio.to_thread(keys_cli.run, settings, arguments)
        return status, capsys.readouterr().out

    status, out = await run("create", "Ann's phone", "--scopes", "read", "--expires", "2")
    assert status == 0 and re.fullmatch(r"dk_[0-9a-f]{16}_[0-9a-f]{64}\n", out)
    key_id = key_id_of(out.strip())
    assert key_id is not None
    key = await store.api_keys.get(key_id)
    assert key is not None and key.matches(out.strip())
    assert (key.name, key.scopes, key.active) == ("Ann's phone", [Scope.READ], True)
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).total_seconds() == 2 * 86400
    status, listed = await run("list")
    assert status == 0 and key_id in listed and "live" in listed and out.strip()[-64:] not in listed
    assert await store.presets.put(key_id, "shop", "{}")
    assert (await run("revoke", key_id))[0] == 0
    assert await store.presets.all(key_id) == {}
    assert "revoked" in (await run("list"))[1]
    assert (await run("rotate", key_id))[0] == 2
    assert (await run("revoke", "$ne"))[0] == 2
    for wrong in (["create", "a\x1b[0m"], ["create", "a", "--scopes", "root"], ["create", ""]):
        with pytest.raises(SystemExit):
            await run(*wrong)


async def test_keys_command_reports_a_missing_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys_cli.run(Settings().replace(data_dir=tmp_path), ["list"]) == 2
    assert "MONGO_URL" in capsys.readouterr().err


@pytest.mark.timeout(300)
async def test_service_refuses_to_start_open_and_names_both_settings(settings: Settings) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "MONGO_URL": settings.stores.mongo_url,
            "REDIS_URL": settings.stores.redis_url,
            "MONGO_DB": settings.stores.mongo_db,
            "HOST": "0.0.0.0",
            "PORT": str(free_port()),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 2
    assert "ALLOW_ANONYMOUS=1" in done.stderr and "service keys create" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.integration
def test_supervisor_refuses_too_and_does_not_restart(tmp_path: Any) -> None:
    darkroom = StandaloneProcess(tmp_path / "data", HOST="0.0.0.0")
    darkroom.launch()
    assert darkroom.process is not None
    assert darkroom.process.wait(280) == 2
    assert darkroom.log.read_text().count("ALLOW_ANONYMOUS=1") == 1
