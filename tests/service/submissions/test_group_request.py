"""POST /groups: makes a group of existing tasks."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from models.settings import Settings
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images


async def submit(client: Any, name: str, seed: int, op: str = "grayscale") -> str:
    form = images.form(images.png(seed=seed), name)
    body = await (await client.post(f"/{op}", data=form)).json()
    return str(body["task_id"])


async def test_group_of_existing_tasks_has_an_archive(client: Any, worker: Any) -> None:
    ids = [await submit(client, "cat.png", 1), await submit(client, "dog.png", 2)]
    await submit(client, "other.png", 2)  # the same bytes under a second name
    asked = {"tasks": [ids[0], {"task_id": ids[1], "name": "other.png"}]}
    response = await client.post("/groups", json=asked)
    group = await response.json()
    assert response.headers["Location"] == f"/status/{group['group_id']}"
    assert [task["name"] for task in group["tasks"]] == ["cat.png", "other.png"]
    again = await (await client.post("/groups", json=asked)).json()
    assert again["group_id"] == group["group_id"]
    done = await client.get(f"/status/{group['group_id']}/archive?wait=30")
    names = zipfile.ZipFile(io.BytesIO(await done.read())).namelist()
    assert names == ["cat-grayscale.png", "other-grayscale.png"]
    assert (await client.post("/groups", json=asked)).status == 200


async def test_group_with_an_email_gets_a_random_id(client: Any) -> None:
    asked = {"tasks": [await submit(client, "cat.png", 1)], "email": "Ann@Example.org"}
    ids = {(await (await client.post("/groups", json=asked)).json())["group_id"] for _ in range(2)}
    assert len(ids) == 2
    response = await client.post(f"/send_images/{ids.pop()}")
    assert (response.status, (await response.json())["status"]) == (202, "queued")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"tasks": []}',
        b'{"tasks": "abc"}',
        b'{"tasks": [1]}',
        b'{"tasks": [{"name": "x"}]}',
        b'{"tasks": [{"task_id": {"$ne": 1}}]}',
        b'{"tasks": ["x"], "more": 1}',
    ],
)
async def test_malformed_bodies_are_refused(client: Any, body: bytes) -> None:
    await refused(await client.post("/groups", data=body), 400, "bad_request")


async def test_unknown_tasks_and_invalid_addresses_are_refused(client: Any) -> None:
    task_id = await submit(client, "cat.png", 1)
    response = await client.post("/groups", json={"tasks": [task_id, "no\r\nsuch"]})
    assert "1 of the 2 tasks" in (await refused(response, 404, "not_found"))["detail"]
    response = await client.post("/groups", json={"tasks": [task_id], "email": "nobody"})
    await refused(response, 422, "bad_parameter")


async def test_max_group_and_max_batch_results(settings: Settings, aiohttp_client: Any) -> None:
    client = await limited(aiohttp_client, settings, max_group=2, max_batch_results=5)
    single = await submit(client, "cat.png", 1)
    response = await client.post("/groups", json={"tasks": [single] * 3})
    facts = await refused(response, 422, "bad_parameter")
    assert (facts["setting"], facts["limit"], facts["measured"]) == ("MAX_GROUP", 2, 3)
    parts = await submit(client, "cat.png", 1, "split")
    assert (await client.post("/groups", json={"tasks": [parts, single]})).status == 202
    more = await submit(client, "dog.png", 2, "split")
    response = await client.post("/groups", json={"tasks": [parts, more]})
    facts = await refused(response, 422, "bad_parameter")
    assert (facts["setting"], facts["limit"], facts["measured"]) == ("MAX_BATCH_RESULTS", 5, 8)


async def test_duplicate_tasks_are_merged(client: Any) -> None:
    task_id = await submit(client, "cat.png", 1)
    asked = {"tasks": [task_id, {"task_id": task_id}, task_id]}
    group = await (await client.post("/groups", json=asked)).json()
    assert [task["task_id"] for task in group["tasks"]] == [task_id]


async def test_lone_surrogate_is_refused(client: Any) -> None:
    head = {"Content-Type": "application/json"}
    response = await client.post("/groups", data=b'{"tasks": ["\\ud800"]}', headers=head)
    await refused(response, 400, "bad_request")


async def test_groups_per_client(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, groups_per_client=2)
    asked = {"tasks": [await submit(client, "cat.png", 1)]}
    for _ in range(2):
        assert (await client.post("/groups", json=asked)).status == 202
    response = await client.post("/groups", json=asked)
    facts = await refused(response, 429, "rate_limited")
    assert (facts["setting"], facts["limit"], facts["measured"]) == ("GROUPS_PER_CLIENT", 2, 3)
    assert int(response.headers["Retry-After"]) == facts["retry_after"] > 0


async def test_full_disk_refuses_groups(
    client: Any, aiohttp_client: Any, settings: Settings
) -> None:
    asked = {"tasks": [await submit(client, "cat.png", 1)]}
    full = await limited(aiohttp_client, settings, min_free_disk_bytes=10**18)
    await refused(await full.post("/groups", json=asked), 503, "no_room")
