"""The dashboard API: refusals by code, durations and use by key, of all services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.auth.api_key import Scope
from models.errors import StoreUnavailable
from models.percentiles import bucket
from models.settings import Settings
from models.store import Store
from models.store.tasks import activity
from service.app import create_app
from service.app_keys import STORE
from service.dashboard.activity import activity_body
from service.http.request_counts import REQUEST_COUNTS
from tests.conftest import Client
from tests.support import images
from tests.support.dashboard_api import api
from tests.support.task_factory import create

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def minute(number: int, **counts: Any) -> dict[str, Any]:
    at = BEGIN + timedelta(minutes=number)
    return {"_id": {"span": 60, "at": at}, **counts}


def test_the_documents_of_minutes_are_added_up() -> None:
    body = activity_body(
        60,
        BEGIN,
        60,
        [
            minute(0, refused={"bad_image": 2}, request={"10": 4}),
            minute(3, refused={"bad_image": 1, "store_unavailable": 9}, failed={"bad_image": 1}),
            minute(3, wait={"30": 1}, run={"40": 1}, request={"10": 1, "12": 1}),
        ],
    )
    assert [(c["code"], c["by"], c["requests"], c["tasks"]) for c in body["codes"]] == [
        ("store_unavailable", "service", 9, 0),
        ("bad_image", "client", 3, 1),
    ]
    assert body["codes"][1]["meaning"].startswith("the picture is broken")
    durations = body["durations"]
    assert durations["request"]["count"] == 6
    assert durations["wait"]["count"] == durations["run"]["count"] == 1
    assert [(p["at"], p["refused"], p["failed"]) for p in body["points"]] == [
        ("2026-11-01T00:00:00.000Z", 2, 0),
        ("2026-11-01T00:03:00.000Z", 10, 1),
    ]
    assert body["points"][0]["run_p95"] is None
    assert body["points"][1]["run_p95"] == pytest.approx(1.25**39.95 / 1000)


def test_points_and_keys_are_bounded() -> None:
    keys = {f"{n:016x}": {"tasks": 1, "failed": 0, "bytes": 10, "ms": n} for n in range(40)}
    documents = [minute(n, refused={"bad_image": 1}, keys=keys) for n in range(361)]
    body = activity_body(360, BEGIN, 60, documents)
    assert body["point_seconds"] == 180
    assert len(body["points"]) == 121
    assert sum(point["refused"] for point in body["points"]) == 361
    assert len(body["keys"]) == 21
    assert body["keys"][0]["key"] == f"{39:016x}"
    assert body["keys"][0]["seconds"] == pytest.approx(361 * 0.039)
    rest = body["keys"][-1]
    assert (rest["key"], rest["tasks"], rest["bytes"]) == ("other", 20 * 361, 20 * 3610)


def ended(number: int, owner: str, **more: Any) -> dict[str, Any]:
    now = datetime.now(UTC) - timedelta(seconds=3)
    return {
        "_id": f"{number:032x}",
        "fingerprint": f"{number:064x}",
        "status": "SUCCESS",
        "original_id": ObjectId(),
        "original_sha256": "0" * 64,
        "uploads": [{"name": "a.jpg", "results": ["a.png"]}],
        "operations": [],
        "format": "png",
        "owner": owner,
        "results": [{"bytes": 1000}, {"bytes": 500}],
        "stages": {"fetch": 5000.0, "decode": 100.0, "upscale": 400.0, "publish": 5000.0},
        "created_at": now - timedelta(seconds=30),
        "asked_at": now - timedelta(seconds=10),
        "started_at": now - timedelta(seconds=2),
        "finished_at": now,
        **more,
    }


async def test_each_ended_task_is_counted_once(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    key, _ = await store.api_keys.create("<b>shop</b>", (Scope.SUBMIT,), None)
    error = {"code": "worker_crashed", "detail": "x"}
    gone = {"code": "of a newer version", "detail": "x"}
    await store._database["tasks"].insert_many(
        [
            ended(1, key.id),
            ended(2, key.id, status="FAILURE", error=error, results=[], stages=None),
            ended(3, "", status="FAILURE", error=gone, results=[], stages=None),
            ended(4, "", status="CANCELLED", started_at=None, results=[], stages=None),
        ]
    )
    for _ in range(2):  # nothing is counted twice
        await store.queue_history.record(await store.task_stats.queue(), 1)
    client = await aiohttp_client(create_app(settings))  # only now: it records, too
    body = await api(client, "activity", minutes="15")
    assert {(each["code"], each["tasks"]) for each in body["codes"] if each["tasks"]} == {
        ("worker_crashed", 1),
        ("other", 1),
    }
    first, second = body["keys"]
    assert (first["key"], first["name"]) == (key.id, "<b>shop</b>")
    assert (first["tasks"], first["failed"], first["bytes"]) == (2, 1, 1500)
    assert first["seconds"] == 0.5
    assert (second["key"], second["name"], second["tasks"]) == ("anonymous", "", 2)
    durations = body["durations"]
    assert (durations["wait"]["count"], durations["run"]["count"]) == (3, 1)
    assert 8 / 1.25 <= durations["wait"]["p50"] <= 8 * 1.25
    assert 2 / 1.25 <= durations["run"]["p50"] <= 2 * 1.25
    assert bucket(durations["run"]["p99"]) == bucket(2)
    week = await api(client, "activity", minutes="10080")
    assert week["point_seconds"] == 7200
    assert [each["tasks"] for each in week["keys"]] == [2, 2]


async def test_refusals_of_several_services_are_added_up(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    services = [await aiohttp_client(create_app(settings)) for _ in range(2)]
    for service in services:
        for data in (b"", b"text", images.png()):
            await service.post("/upscale", data=images.form(data, "a.png"))
        # Of several pictures one is refused, and then all of them are.
        for broken in (images.png(), b"text"):
            form = images.form(broken, "a.png")
            form.add_field("image", b"text", filename="b.png")
            await service.post("/upscale", data=form)
        await service.get("/no/such/path")
        await service.get("/healthz")
        await service.app[REQUEST_COUNTS].flush()
    body = await api(services[0], "activity", minutes="15")
    refused = {each["code"]: each["requests"] for each in body["codes"]}
    assert refused["unsupported_format"] >= 2 * 4
    assert refused["not_found"] == 2
    assert sum(refused.values()) == 2 * 6
    assert body["durations"]["request"]["count"] == 2 * 6  # neither probe nor dashboard
    assert sum(point["refused"] for point in body["points"]) == 2 * 6


async def test_requests_that_wait_for_a_task_are_not_timed(client: Client, send: Any) -> None:
    assert client.app is not None
    counts = client.app[REQUEST_COUNTS]
    counts._counts.clear()
    await send(query="?wait=0.01")
    task_id = (await (await send()).json())["task_id"]
    await client.get(f"/tasks/{task_id}?wait=0.01")
    async with client.get(f"/tasks/{task_id}/events"):
        pass
    await client.get("/static/dashboard.js")
    assert sum(n for name, n in counts._counts.items() if name.startswith("request.")) == 1


async def test_what_mongodb_does_not_take_is_kept(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.app is not None
    counts, store = client.app[REQUEST_COUNTS], client.app[STORE]
    counts.refused("bad_image")
    counts.refused("$not.a.code")
    with monkeypatch.context() as patch:

        async def away(_: Any) -> None:
            raise StoreUnavailable("x", store="mongodb")

        patch.setattr(store.activity, "add", away)
        await counts.flush()
    assert counts._counts == {"refused.bad_image": 1, "refused.other": 1}
    await counts.flush()
    assert not counts._counts


async def test_a_busy_week_is_read_from_few_documents(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "_MAX_KEYS", 2)
    keys = {f"{n:016x}": {"tasks": 1, "failed": 0, "bytes": 1, "ms": 1} for n in range(5)}
    for _ in range(2):
        await store.activity.add_ended(activity.EndedTasks({"SUCCESS": 5}, {"run.3": 5}, keys))
    _, span, (hour,) = await store.activity.since(7 * 24 * 3600)
    assert (span, hour["run"]) == (3600, {"3": 10})
    assert {key: sums["tasks"] for key, sums in hour["keys"].items()} == {
        f"{0:016x}": 2,
        f"{1:016x}": 2,
        "other": 6,
    }
    _, span, documents = await store.activity.since(6 * 3600)
    assert span == 60
    assert sum(each["run"]["3"] for each in documents) == 10


async def test_the_ledger_is_not_scanned(store: Store) -> None:
    for number in range(3):
        await create(store, number)
    now = datetime.now(UTC)
    pipeline: list[Any] = []
    tasks = store.activity._tasks

    class Recorder:
        def aggregate(self, stages: Any) -> Any:
            pipeline.extend(stages)
            return tasks.aggregate(stages)

    store.activity._tasks = Recorder()  # type: ignore[assignment]
    await store.activity.ended_between(now - timedelta(seconds=10), now)
    plan = await store._database.command(
        "explain", {"aggregate": "tasks", "pipeline": pipeline, "cursor": {}}
    )
    assert "finished_at_1_client_1" in str(plan)
    assert "COLLSCAN" not in str(plan)
    plan = await store.activity._collection.find(
        {"_id": {"$gte": {"span": 60, "at": now}, "$lt": {"span": 61}}}
    ).explain()
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
