"""POST /groups: tasks that were submitted one by one become a group."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from models.settings import Settings
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images


async def sent(client: Any, name: str, seed: int, op: str = "grayscale") -> str:
    form = images.form(images.png(seed=seed), name)
    body = await (await client.post(f"/{op}", data=form)).json()
    return str(body["task_id"])


async def test_tasks_become_a_group_with_an_archive(client: Any, worker: Any) -> None:
    ids = [await sent(client, "cat.png", 1), await sent(client, "dog.png", 2)]
    await sent(client, "other.png", 2)  # the same bytes under a second name
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


async def test_a_group_with_an_address_is_secret_and_can_be_mailed(client: Any) -> None:
    asked = {"tasks": [await sent(client, "cat.png", 1)], "email": "Ann@Example.org"}
    ids = {(await (await client.post("/groups", json=asked)).json())["group_id"] for _ in range(2)}
    assert len(ids) == 2
    answer = await client.post(f"/send_images/{ids.pop()}")
    assert (answer.status, (await answer.json())["status"]) == (202, "queued")


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
async def test_what_is_no_group_is_refused(client: Any, body: bytes) -> None:
    await refused(await client.post("/groups", data=body), 400, "bad_request")


async def test_strange_tasks_and_addresses_are_refused(client: Any) -> None:
    task_id = await sent(client, "cat.png", 1)
    answer = await client.post("/groups", json={"tasks": [task_id, "no\r\nsuch"]})
    assert "1 of the 2 tasks" in (await refused(answer, 404, "not_found"))["detail"]
    answer = await client.post("/groups", json={"tasks": [task_id], "email": "nobody"})
    await refused(answer, 422, "bad_parameter")


async def test_a_group_is_bounded(settings: Settings, aiohttp_client: Any) -> None:
    client = await limited(aiohttp_client, settings, max_group=2, max_batch_results=5)
    grey = await sent(client, "cat.png", 1)
    answer = await client.post("/groups", json={"tasks": [grey] * 3})
    facts = await refused(answer, 422, "bad_parameter")
    assert (facts["setting"], facts["limit"], facts["measured"]) == ("MAX_GROUP", 2, 3)
    parts = await sent(client, "cat.png", 1, "split")
    assert (await client.post("/groups", json={"tasks": [parts, grey]})).status == 202
    more = await sent(client, "dog.png", 2, "split")
    answer = await client.post("/groups", json={"tasks": [parts, more]})
    facts = await refused(answer, 422, "bad_parameter")
    assert (facts["setting"], facts["limit"], facts["measured"]) == ("MAX_BATCH_RESULTS", 5, 8)


async def test_a_task_picked_twice_is_in_it_once(client: Any) -> None:
    task_id = await sent(client, "cat.png", 1)
    asked = {"tasks": [task_id, {"task_id": task_id}, task_id]}
    group = await (await client.post("/groups", json=asked)).json()
    assert [task["task_id"] for task in group["tasks"]] == [task_id]


async def test_half_a_surrogate_is_refused(client: Any) -> None:
    head = {"Content-Type": "application/json"}
    answer = await client.post("/groups", data=b'{"tasks": ["\\ud800"]}', headers=head)
    await refused(answer, 400, "bad_request")


async def test_groups_of_one_client_an_hour(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, groups_per_client=2)
    asked = {"tasks": [await sent(client, "cat.png", 1)]}
    for _ in range(2):
        assert (await client.post("/groups", json=asked)).status == 202
    answer = await client.post("/groups", json=asked)
    facts = await refused(answer, 429, "rate_limited")
    assert (facts["setting"], facts["limit"], facts["measured"]) == ("GROUPS_PER_CLIENT", 2, 3)
    assert int(answer.headers["Retry-After"]) == facts["retry_after"] > 0


async def test_no_group_without_room(client: Any, aiohttp_client: Any, settings: Settings) -> None:
    asked = {"tasks": [await sent(client, "cat.png", 1)]}
    full = await limited(aiohttp_client, settings, min_free_disk_bytes=10**18)
    await refused(await full.post("/groups", json=asked), 503, "no_room")
