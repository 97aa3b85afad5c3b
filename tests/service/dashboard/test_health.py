"""The dashboard API: health of stores and disks, and since when an alert exists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.app_keys import STORE
from service.dashboard.overview import OVERVIEW
from tests.conftest import Client
from tests.models.store.test_leases import create_task
from tests.support.dashboard_api import api
from tests.workers.queue.test_jobs import wait_until


async def test_stores_and_disks(client: Client, settings: Settings, store: Store) -> None:
    await create_task(store)
    body = await api(client, "health")
    mongodb, redis = body["mongodb"], body["redis"]
    assert mongodb["up"] and mongodb["ms"] > 0 and mongodb["data_bytes"] > 0
    assert mongodb["replica_set"] and mongodb["primary"]
    (member,) = mongodb["members"]
    assert (member["state"], member["healthy"], member["lag_seconds"]) == ("PRIMARY", True, 0)
    assert redis["up"] and redis["used_bytes"] > 0 and redis["max_bytes"] == 256 << 20
    places = {disk["place"]: disk for disk in body["disks"]}
    assert set(places) == {"mongodb", "spool"}
    for disk in places.values():
        assert 0 < disk["free_bytes"] < disk["size_bytes"]
        assert disk["kept_bytes"] == settings.uploads.min_free_disk_bytes


async def test_results_of_open_tasks_are_promised(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    await create_task(store)
    change = {"$set": {"most_result_bytes": 2_000_000, "format": "png"}}
    await store._database["tasks"].update_one({}, change)
    client = await aiohttp_client(create_app(settings))  # only now: it asks at its start
    (mongodb, _) = (await api(client, "health"))["disks"]
    assert mongodb["promised_bytes"] == 2_000_000


async def test_a_store_that_is_away_is_said(
    settings: Settings, aiohttp_client: Any, monkeypatch: Any
) -> None:
    client = await aiohttp_client(create_app(settings))

    async def away(*_: Any) -> Any:
        raise StoreUnavailable("x", store="x")

    monkeypatch.setattr(client.app[STORE], "ping", away)
    monkeypatch.setattr(client.app[STORE].health, "replica_set", away)
    monkeypatch.setattr(client.app[OVERVIEW]._queue, "ping", away)
    client.app[OVERVIEW].health.cache_clear()
    body = await api(client, "health")
    assert body["mongodb"] == {
        "up": False,
        "ms": None,
        "replica_set": None,
        "primary": None,
        "members": None,
        "data_bytes": None,
    }
    assert body["redis"]["up"] is False
    assert [disk["place"] for disk in body["disks"]] == ["spool"]


async def test_an_alert_keeps_the_time_since_when_it_exists(store: Store) -> None:
    await store.alert_log.record(["no_workers", "disk_low"])
    before = await store.alert_log.since()
    await store.alert_log.record(["no_workers", "failures"])
    after = await store.alert_log.since()
    assert set(after) == {"no_workers", "failures"}
    assert after["no_workers"] == before["no_workers"] <= after["failures"]
    await store.alert_log.record([])
    assert await store.alert_log.since() == {}


async def test_the_service_notes_its_alerts(client: Client, store: Store) -> None:
    async def noted() -> bool:
        return "no_workers" in await store.alert_log.since()

    await wait_until(noted)
    assert client.app is not None
    client.app[OVERVIEW].invalidate()
    (alert,) = (await api(client, "queue"))["alarms"]
    since = (await store.alert_log.since())["no_workers"]
    assert (alert["code"], datetime.fromisoformat(alert["since"])) == ("no_workers", since)


@pytest.mark.parametrize("allowed", [True, False])
async def test_members_are_shown_where_the_user_may_see_them(store: Store, allowed: bool) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    members = [
        {"name": "a:1", "stateStr": "PRIMARY", "optimeDate": at},
        {"name": "b:1", "stateStr": "SECONDARY", "optimeDate": at - timedelta(seconds=7)},
        {"name": "c:1", "stateStr": "(not reachable/healthy)"},
    ]

    async def command(name: str, **_: Any) -> Any:
        if name == "hello":
            return {"setName": "rs", "primary": "a:1"}
        if not allowed:
            raise OperationFailure("not authorized", 13)
        return {"members": members}

    answering = SimpleNamespace(command=command)
    answering.client = {"admin": answering}
    store.health._database = answering  # type: ignore[assignment]
    found = await store.health.replica_set()
    assert (found.name, found.primary) == ("rs", "a:1")
    assert (found.members is not None) == allowed
    if found.members is not None:
        assert [(each.name, each.healthy, each.lag_seconds) for each in found.members] == [
            ("a:1", True, 0.0),
            ("b:1", True, 7.0),
            ("c:1", False, None),
        ]
