"""The dashboard API: task pages, task details, the queue, its history, and actions."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from bson import ObjectId

from models.operations import OPERATIONS
from models.settings import Settings
from models.store import Store
from models.store.tasks.search import TaskOutcomes
from models.tasks.task import MAX_TIMELINE_ENTRIES, Status, Task
from service.app import create_app
from service.app_keys import STORE
from tests.conftest import Client, working
from tests.models.store.test_leases import TASK, create_task
from tests.support import images
from tests.support.task_factory import finish, got
from tests.workers.queue.test_jobs import send_to_halted_child, started_worker, wait_until

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


async def api(client: Client, path: str, expected: int = 200, /, **query: str) -> Any:
    response = await client.get(f"/dashboard/api/{path}", params=query)
    assert response.status == expected, await response.text()
    return await response.json()


async def fill(store: Store, count: int) -> list[str]:
    """Insert tasks as older versions wrote them; return their ids, newest first."""
    statuses = list(Status)
    documents: list[dict[str, Any]] = [
        {
            "_id": f"{number:032x}",
            "fingerprint": f"{number:064x}",
            "status": statuses[number % 5],
            "original_id": ObjectId(),
            "original_sha256": "0" * 64,
            "uploads": [{"name": f"IMG_{number:04}.jpg", "results": [f"r{number}.png"]}],
            "operations": [{"op": "blur" if number % 3 else "upscale"}],
            "format": "png",
            "attempts": 0,
            # Several tasks share a time; a page may end between them.
            "created_at": BEGIN + timedelta(seconds=number // 7),
        }
        for number in range(count)
    ]
    await store._database["tasks"].insert_many(documents)
    documents.sort(key=lambda each: (each["created_at"], each["_id"]), reverse=True)
    return [each["_id"] for each in documents]


async def walk(client: Client, **query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api(client, "tasks", **query, **({"after": cursor} if cursor else {}))
        rows += page["tasks"]
        cursor = page["next"]
    return rows


async def test_paging_over_a_thousand_tasks(client: Client, store: Store) -> None:
    ids = await fill(store, 1003)
    assert [row["task_id"] for row in await walk(client)] == ids
    first = await api(client, "tasks", limit="10")
    # A task that arrives between two pages shifts neither.
    await create_task(store)
    second = await api(client, "tasks", limit="10", after=first["next"])
    assert [row["task_id"] for row in first["tasks"] + second["tasks"]] == ids[:20]
    assert (await api(client, "tasks", limit="1"))["tasks"][0]["task_id"] == TASK
    failed = await walk(client, status="FAILURE", operation="upscale")
    assert {(r["status"], *r["operations"]) for r in failed} == {("FAILURE", "upscale")}
    assert len(failed) == sum(n % 5 == 3 and n % 3 == 0 for n in range(1003))
    by_name = await walk(client, search="IMG_100")
    assert sorted(row["name"] for row in by_name) == [f"IMG_{n}.jpg" for n in (1000, 1001, 1002)]
    assert [r["task_id"] for r in await walk(client, search=ids[5][:31])] == [
        each for each in ids if each.startswith(ids[5][:31])
    ]
    for query, index in (
        ({}, "created_at_-1__id_-1"),
        ({"status": "FAILURE"}, "status_1_created_at_-1__id_-1"),
        ({"operations.op": "blur"}, "operations.op_1_created_at_-1__id_-1"),
        ({"worker": "a:1"}, "worker_1_created_at_-1__id_-1"),
    ):
        cursor = store._database["tasks"].find(query).sort([("created_at", -1), ("_id", -1)])
        plan = str((await cursor.explain())["queryPlanner"]["winningPlan"])
        assert index in plan and "SORT'" not in plan


async def test_hostile_queries_match_nothing_or_fail(client: Client, store: Store) -> None:
    await fill(store, 20)
    for text in (".*", "^IMG", "$where", '{"$gt": ""}', "IMG_00[0-9]", "\\", "'; --", "%00"):
        assert (await api(client, "tasks", search=text))["tasks"] == []
    assert len((await api(client, "tasks", search="IMG_00"))["tasks"]) == 20
    assert (await api(client, "tasks", worker="$ne"))["tasks"] == []
    refused = [
        ({"search": "x" * 101}, "search"),
        ({"search": "a\x00b"}, "search"),
        ({"search": "a\u202eb"}, "search"),
        ({"worker": "x" * 301}, "worker"),
        ({"status": "DONE"}, "status"),
        ({"operation": "rm"}, "operation"),
        ({"limit": "201"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1e3"}, "limit"),
        ({"after": "x"}, "after"),
        ({"after": "1-$ne"}, "after"),
        ({"skip": "5"}, "skip"),
        ({"status[$ne]": "SUCCESS"}, "status[$ne]"),
    ]
    for query, parameter in refused:
        problem = await api(client, "tasks", 422, **query)
        assert (problem["code"], problem["parameter"]) == ("bad_parameter", parameter)
    raw = await client.get("/dashboard/api/tasks?search=%ff%fe", allow_redirects=False)
    assert raw.status in {200, 422}
    assert (await api(client, "history", 422, minutes="0"))["parameter"] == "minutes"
    assert (await api(client, "tasks/nope", 404))["code"] == "not_found"
    assert (await api(client, "tasks", operation=next(iter(OPERATIONS))))["next"] is None


async def test_an_unchanged_page_is_answered_304(client: Client, store: Store) -> None:
    await fill(store, 5)
    first = await client.get("/dashboard/api/tasks")
    again = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get("/dashboard/api/tasks", headers=again)).status == 304
    await create_task(store)
    assert (await client.get("/dashboard/api/tasks", headers=again)).status == 200


async def test_task_details_hold_no_secrets(client: Client, store: Store) -> None:
    await create_task(store)
    await store.leases.claim(TASK, worker="h:1", token="s3cret", seconds=60, max_attempts=3)
    body = await api(client, f"tasks/{TASK}")
    assert "s3cret" not in str(body)
    assert (body["worker"], body["actions"], body["stages_ms"]) == ("h:1", ["cancel"], None)
    assert [(e["what"], e["worker"]) for e in body["timeline"]] == [("claimed", "h:1")]
    public = await (await client.get(f"/tasks/{TASK}")).json()
    assert not {"worker", "timeline", "stages_ms", "client"} & set(public)


async def test_a_task_of_an_older_version_is_shown(client: Client, store: Store) -> None:
    (task_id,) = await fill(store, 1)
    body = await api(client, f"tasks/{task_id}")
    assert (body["timeline"], body["stages_ms"], body["attempts"]) == ([], None, 0)
    await store.workers._collection.insert_one({"_id": "old:1", "seen_at": datetime.now(UTC)})
    (worker,) = (await api(client, "workers"))["workers"]
    assert (worker["name"], worker["host"], worker["tasks"]) == ("old:1", "old", [])
    assert await finish(store, task_id)


async def test_the_timeline_tells_each_change_and_is_bounded(store: Store) -> None:
    await create_task(store)
    claim: Any = {"seconds": 60, "max_attempts": 1000}

    async def story() -> list[tuple[str, str | None, str | None]]:
        return [(e.what, e.worker, e.cause) for e in (await got(store, TASK)).timeline]

    await store.leases.claim(TASK, worker="a:1", token="1", **claim)
    await store.leases.release(TASK, "1", charge=True, cause="crashed")
    await store.leases.claim(TASK, worker="a:1", token="2", **claim)
    assert await store.leases.expire_worker("a:1") == 1
    await wait_until(partial(_claimed, store, "b:2", "3"))
    error = {"code": "bad_image", "detail": "$broken"}
    assert await store.leases.fail(TASK, "3", error, {"fetch": 1.5})
    assert await store.tasks.restart(TASK)
    assert (await got(store, TASK)).stages is None
    await store.tasks.cancel(TASK, {"code": "cancelled", "detail": "x"})
    assert await story() == [
        ("claimed", "a:1", None),
        ("released", "a:1", "crashed"),
        ("claimed", "a:1", None),
        ("lease_expired", "a:1", "worker_died"),
        ("claimed", "b:2", None),
        ("failed", "b:2", "bad_image"),
        ("asked_again", None, None),
        ("cancelled", None, None),
    ]
    times = [event.at for event in (await got(store, TASK)).timeline]
    assert times == sorted(times)
    for number in range(MAX_TIMELINE_ENTRIES):
        await store.tasks.restart(TASK)
        await store.tasks.cancel(TASK, {"code": "cancelled", "detail": str(number)})
    assert len(await story()) == MAX_TIMELINE_ENTRIES
    lease = await store._database["tasks"].find_one({"_id": TASK}, {"lease": 1})
    assert lease is not None and lease["lease"] is None


async def _claimed(store: Store, worker: str, token: str) -> Task | None:
    return await store.leases.claim(TASK, worker=worker, token=token, seconds=60, max_attempts=1000)


async def test_one_that_is_given_up_says_so(store: Store) -> None:
    await create_task(store)
    await store.leases.claim(TASK, worker="a:1", token="1", seconds=60, max_attempts=1)
    await store.leases.expire_worker("a:1")
    error = {"code": "worker_crashed", "detail": "x"}

    async def given_up() -> bool:
        return await store.leases.give_up(TASK, 1, error)

    await wait_until(given_up)
    task = await got(store, TASK)
    assert [(e.what, e.cause) for e in task.timeline] == [
        ("claimed", None),
        ("lease_expired", "worker_died"),
        ("failed", "worker_crashed"),
    ]
    assert task.worker == "a:1"


async def test_a_worker_says_what_it_does_and_drains(
    client: Client, settings: Settings, store: Store, send: Any
) -> None:
    async with working(settings) as arq:
        worker = await started_worker(arq)
        task_id, halted = await send_to_halted_child(send, arq)

        async def shown() -> dict[str, Any]:
            found = (await api(client, "workers"))["workers"]
            return next((each for each in found if each["name"] == worker.name), {"tasks": ()})

        async def at_work() -> bool:
            said = await shown()
            return [each["task_id"] for each in said["tasks"]] == [task_id]

        await wait_until(at_work, 60)
        said = await shown()
        assert (said["state"], said["in_hand"], said["done"]) == ("running", 1, 0)
        assert [child["state"] for child in said["children"]] == ["busy"]
        assert said["memory"]["worker"] > 1_000_000 < said["memory"]["children"]
        assert said["engine"] and said["started_at"] and said["load"] >= 0
        response = await client.post(f"/dashboard/api/workers/{worker.name}/drain")
        assert response.status == 202
        os.kill(halted, signal.SIGCONT)
        await wait_until(partial(_is, shown, "drained"), 60)
        # It finished its task; a new task waits.
        assert (await got(store, task_id)).status is Status.SUCCESS
        second = (await (await send(images.png(seed=2), "second.png")).json())["task_id"]
        now = await api(client, "queue")
        assert [each["code"] for each in now["alarms"]] == ["all_drained"]
        assert (await got(store, second)).status is Status.CREATED
        assert (await shown())["done"] == 1
        await client.post(f"/dashboard/api/workers/{worker.name}/resume")

        async def done() -> bool:
            return (await got(store, second)).status is Status.SUCCESS

        await wait_until(done, 60)
        task = await got(store, second)
        assert task.stages is not None
        assert list(task.stages) == ["fetch", "wait", "decode", "upscale", "encode", "publish"]
        assert [e.what for e in task.timeline] == ["claimed", "finished"]
        await store.workers.set_drain(worker.name, drain=True)
    assert (await api(client, "workers"))["workers"] == []
    async with working(settings) as arq:  # same process, so the same worker name
        await started_worker(arq)
        await wait_until(partial(_is, shown, "running"))
        assert (await (await send(images.png(seed=3), "x.png", "?wait=60")).json())["status"] == (
            "SUCCESS"
        )


async def _is(shown: Any, state: str) -> bool:
    return bool((await shown()).get("state") == state)


async def test_retry_and_cancel(client: Client, store: Store, send: Any) -> None:
    task_id = (await (await send()).json())["task_id"]
    path = f"/dashboard/api/tasks/{task_id}"
    response = await client.post(f"{path}/retry")
    assert (response.status, (await response.json())["code"]) == (409, "wrong_status")
    response = await client.post(f"{path}/cancel")
    assert (response.status, (await response.json())["actions"]) == (200, ["retry"])
    assert (await client.post(f"{path}/cancel")).status == 409
    response = await client.post(f"{path}/retry")
    assert (response.status, (await response.json())["status"]) == (202, "CREATED")
    for what in ("drain", "resume"):
        assert (await client.post(f"/dashboard/api/workers/nobody:1/{what}")).status == 404


async def test_history_counts_each_task_once(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    for number in range(3):
        mark = f"{number}" * 64
        await create_task(store, mark)
        if number:
            await store.leases.claim(mark[:32], worker="w", token="t", seconds=60, max_attempts=3)
    await store.leases.fail("2" * 32, "t", {"code": "internal", "detail": "x"})

    async def noted() -> bool:
        await store.queue_history.record(await store.task_stats.queue(), 1)
        _, points = await store.queue_history.series(600)
        return bool(sum(point["asked"] for point in points) >= 3)

    await wait_until(noted)
    await noted()  # nothing is counted twice
    # Only now, since a service samples the queue at its start, perhaps before the claims.
    points = (await api(await aiohttp_client(create_app(settings)), "history"))["points"]
    assert sum(point["asked"] for point in points) == 3
    assert sum(point["started"] for point in points) == 2
    assert sum(point["failed"] for point in points) == 1
    assert max(point["waiting"] for point in points) == 1
    assert max(point["running"] for point in points) == 1
    assert await store.queue_history.waiting_before(5) == 1


async def test_many_requests_load_the_queue_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.app is not None
    search, loads = client.app[STORE].task_search, 0
    ask = search.outcomes

    async def counted(seconds: float) -> TaskOutcomes:
        nonlocal loads
        loads += 1
        return await ask(seconds)

    monkeypatch.setattr(search, "outcomes", counted)
    for _ in range(20):
        await api(client, "queue")
    assert 1 <= loads <= 3
