"""The dashboard API: pages of tasks, task details, retry and cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from models.operations import OPERATIONS
from models.store import Store
from tests.conftest import Client
from tests.models.store.test_leases import TASK, create_task
from tests.support.dashboard_api import api, fill, walk
from tests.support.task_factory import finish


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
