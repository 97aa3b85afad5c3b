"""Programs whose settings have to agree: who may start beside whom, and after what."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from models.errors import BadSettings
from models.settings import Settings
from models.shared_settings import shared_settings
from models.store import Store
from models.store.mongo import programs
from tests.support.service_process import ServiceProcess
from workers.worker import create

KEY, OTHER = "k" * 32, "o" * 32
ONE, TWO = (f"whsec_{each * 32}" for each in "ab")


def values(worker: bool = True, **changes: Any) -> dict[str, list[str]]:
    return shared_settings(Settings().replace(**changes), KEY, worker=worker)


@pytest.fixture(autouse=True)
def _polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_POLL_SECONDS", 0.01)


@pytest.fixture
async def program(store: Store, settings: Settings) -> Any:
    """Make programs: their names would be those of this process."""
    await store.programs.join("service", {})
    await store.programs.leave()

    def make(name: str, shared: dict[str, list[str]]) -> programs.Programs:
        made = programs.Programs(store._database, settings)
        made._name, made._shared = name, shared
        return made

    return make


async def entries(store: Store) -> list[dict[str, Any]]:
    document = await store._database["state"].find_one({"_id": "programs"})
    return list((document or {}).get("running", []))


async def seen(store: Store) -> list[tuple[str, int]]:
    """Return who renewed each entry last, and for how many programs it stands."""
    return [(each["name"], each["programs"]) for each in await entries(store)]


async def age(store: Store, seconds: float) -> None:
    """Let all programs have been silent for so long."""
    at = {"$subtract": ["$$NOW", round(seconds * 1000)]}
    aged = {"$map": {"input": "$running", "in": {"$mergeObjects": ["$$this", {"seen_at": at}]}}}
    await store._database["state"].update_one({"_id": "programs"}, [{"$set": {"running": aged}}])


async def test_programs_that_agree_are_one_entry(store: Store, program: Any) -> None:
    await store.programs.join("service", values(worker=False))
    ((me, _),) = await seen(store)
    workers = [program(f"worker {number}", values()) for number in range(3)]
    for each in workers:
        assert await each._record(joining=1)
    assert await seen(store) == [(me, 1), ("worker 2", 3)]
    await workers[0].leave()
    assert await seen(store) == [(me, 1), ("worker 2", 2)]
    await store.programs.leave()
    await workers[1].leave()
    await workers[2].leave()
    assert await seen(store) == []


async def test_one_of_many_writes_and_it_keeps_all_alive(store: Store, program: Any) -> None:
    workers = [program(f"worker {number}", values()) for number in range(9)]
    for each in workers:
        await each._record(joining=1)
    before = await entries(store)
    for each in workers:
        await each.refresh()
    assert await entries(store) == before
    await age(store, programs.REFRESH_SECONDS + 1)
    for each in workers:
        await each.refresh()
    assert await seen(store) == [("worker 0", 9)]


async def test_those_that_died_are_forgotten(store: Store, program: Any) -> None:
    for number in range(3):
        await program(f"worker {number}", values())._record(joining=1)
    await age(store, programs.ALIVE_SECONDS + 1)
    await store.programs.join("service", values(result_ttl=60))
    ((_, count),) = await seen(store)
    assert count == 1
    await store.programs.leave()
    last = program("worker 2", values())
    await last.refresh()  # it was only slow
    assert await seen(store) == [("worker 2", 1)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"result_ttl": 60}, "RESULT_TTL is 60 here and 0 in the worker a:1"),
        ({"original_ttl": 0.5}, "ORIGINAL_TTL is 0.5 here and 0 in the worker a:1"),
        ({"delete_grace_seconds": 1}, "DELETE_GRACE_SECONDS is 1 here and 600 in the worker a:1"),
        ({"smtp_host": "mail"}, "SMTP_HOST is set here and empty in the worker a:1"),
        ({"webhook_secret": ONE}, "WEBHOOK_SECRET differs from that of the worker a:1"),
    ],
)
async def test_one_that_differs_does_not_start(
    store: Store, program: Any, change: dict[str, Any], said: str
) -> None:
    running = program("worker a:1", values())
    await running._record(joining=1)
    starting = asyncio.create_task(store.programs.join("worker", values(**change)))
    while not starting.done():
        await running._record()
        await asyncio.sleep(0.01)
    with pytest.raises(BadSettings, match=re.escape(said)) as refused:
        await starting
    assert "stop all others first" in refused.value.detail
    assert ONE not in refused.value.detail
    assert await seen(store) == [("worker a:1", 1)]


async def test_a_refusal_says_how_many_differ(store: Store, program: Any) -> None:
    running = program("worker a:1", values())
    for _ in range(3):
        await running._record(joining=1)
    starting = asyncio.create_task(store.programs.join("worker", values(result_ttl=60)))
    while not starting.done():
        await running._record()
        await asyncio.sleep(0.01)
    with pytest.raises(BadSettings, match="60 here and 0 in the worker a:1 and 2 more. All"):
        await starting


async def test_nothing_but_fingerprints_of_secrets_is_stored(store: Store) -> None:
    shared = shared_settings(Settings().replace(webhook_secret=ONE), KEY, worker=True)
    await store.programs.join("worker", shared)
    stored = str(await entries(store))
    assert KEY not in stored and ONE not in stored
    assert shared["SECRET_KEY"] != shared_settings(Settings(), OTHER, worker=True)["SECRET_KEY"]


async def test_after_a_crash_any_settings_pass(store: Store, program: Any) -> None:
    """It waits until the others count as dead, and no longer."""
    await program("worker a:1", values())._record(joining=1)
    starting = asyncio.create_task(store.programs.join("worker", values(result_ttl=60)))
    await asyncio.sleep(0.05)
    assert not starting.done()
    await age(store, programs.ALIVE_SECONDS + 1)
    await starting
    assert len(await seen(store)) == 1


async def test_of_two_that_start_at_once_one_does(store: Store, program: Any) -> None:
    each = [program(f"worker a:{n}", values(result_ttl=n)) for n in range(8)]
    assert sum(await asyncio.gather(*(one._record(joining=1) for one in each))) == 1


async def test_webhook_secrets_are_rotated_one_program_after_the_other(program: Any) -> None:
    old = program("worker a:1", values(webhook_secret=ONE))
    both = program("worker a:2", values(webhook_secret=f"{ONE} {TWO}"))
    new = program("worker a:3", values(webhook_secret=TWO))
    assert await both._record(joining=1)
    assert await old._record(joining=1)
    assert not await new._record(joining=1)
    await old.leave()
    assert await new._record(joining=1)


async def test_a_setting_that_an_older_version_does_not_know_agrees(program: Any) -> None:
    await program("", {}).join("service", {"RESULT_TTL": ["0"]})
    assert await program("worker a:1", values())._record(joining=1)


async def test_names_are_no_expressions(store: Store, program: Any) -> None:
    assert await program("$running", {"RESULT_TTL": ["$$NOW"]})._record()
    assert not await program("worker a:1", {"RESULT_TTL": ["$running"]})._record()


async def test_service_and_worker_say_so_and_end(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    shared = shared_settings(settings, await store.secret_key.get(), worker=True)
    await store.programs.join("service", shared)
    said = "RESULT_TTL is 60 here and 0 in the service "

    async def live() -> None:
        while True:
            await store.programs._record()
            await asyncio.sleep(0.05)

    living = asyncio.create_task(live())
    try:
        with pytest.raises(AssertionError, match=f"darkroom: {said}"):
            await asyncio.to_thread(ServiceProcess(settings, tmp_path, RESULT_TTL="60").__enter__)
        worker = create(settings.replace(result_ttl=60), handle_signals=False)
        with pytest.raises(BadSettings, match=said):
            await worker.async_run()
        await worker.close()
    finally:
        living.cancel()
