"""The schema of a database: older programs refuse a newer one, newer ones migrate an older one."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from models.errors import BadSettings
from models.settings import Settings
from models.store import Store
from models.store.mongo import state
from tests.support.service_process import ServiceProcess


@pytest.fixture
def schema(store: Store) -> Any:
    return store._database["state"]


async def version(schema: Any) -> int:
    return int((await schema.find_one({"_id": "schema"}))["version"])


async def test_a_new_database_has_the_current_schema(store: Store, schema: Any) -> None:
    assert await version(schema) == state.SCHEMA


async def test_a_newer_schema_is_refused(
    store: Store, schema: Any, settings: Settings, tmp_path: Any
) -> None:
    await schema.update_one({"_id": "schema"}, {"$set": {"version": 7}})
    said = f"{settings.stores.mongo_db} (MONGO_DB) has schema 7, and this version of Darkroom knows"
    with pytest.raises(BadSettings, match=re.escape(said)):
        await Store.open(settings)
    with pytest.raises(AssertionError, match=r"darkroom: the database .* has schema 7"):
        ServiceProcess(settings, tmp_path).__enter__()


async def test_a_migration_runs_once(
    store: Store, schema: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []

    async def add(database: Any) -> None:
        runs.append("second")
        await asyncio.sleep(0)

    async def rename(database: Any) -> None:
        assert await version(database["state"]) == 2
        runs.append("third")

    monkeypatch.setattr(state, "SCHEMA", 3)
    monkeypatch.setattr(state, "MIGRATIONS", {2: add, 3: rename})
    monkeypatch.setattr(state, "_MIGRATION_POLL_SECONDS", 0.02)
    for opened in await asyncio.gather(*(Store.open(settings) for _ in range(5))):
        opened.close()
    assert (runs, await version(schema)) == (["second", "third"], 3)


async def test_another_program_takes_over_a_migration(
    store: Store, schema: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = RuntimeError("the program dies")

    async def add(database: Any) -> None:
        if died.args:
            died.args = ()
            raise died

    monkeypatch.setattr(state, "SCHEMA", 2)
    monkeypatch.setattr(state, "MIGRATIONS", {2: add})
    monkeypatch.setattr(state, "_MIGRATION_POLL_SECONDS", 0.02)
    monkeypatch.setattr(state, "_MIGRATION_SECONDS", 0.1)
    with pytest.raises(RuntimeError):
        await Store.open(settings)
    assert await version(schema) == 1
    (await Store.open(settings)).close()
    assert await version(schema) == 2
