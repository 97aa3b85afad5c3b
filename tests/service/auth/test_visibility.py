"""Two keys, the same picture: neither learns of the other, by any route, name or dedupe."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from service.app import create_app
from service.auth import permissions
from service.auth.permissions import Permission
from service.events.sse_hub import EVENT_HUB
from tests.conftest import working
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Door, Opened, Shown
from tests.support.task_factory import RESULT, findings, finish, got, stored

PICTURE = images.png(60, 40, seed=7)
NAME = "cat-thumbnail-100x100.png"


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Opened:
    return api_key_clients.opening(settings, aiohttp_client)


async def pair(door: Door) -> tuple[Shown, Shown, Shown]:
    return await door.key(name="ann"), await door.key(name="bob"), await door.key(Scope.ADMIN)


async def test_same_bytes_of_two_keys_are_two_tasks(
    opened: Opened,
) -> None:
    door = await opened(allow_anonymous=True)
    ann, bob, admin = await pair(door)
    async with working(door.settings):
        every = [ann, bob, None]
        tasks = []
        for each in every:
            form = images.form(PICTURE, "cat.png")
            status, body = await door.ask("POST", "/thumbnail?wait=60", each, data=form)
            assert (status, body["status"]) == (200, "SUCCESS")
            assert body["url"] == f"/processed/{NAME}"  # as if there were no other
            tasks.append(body)
        assert len({task["task_id"] for task in tasks}) == 3
        assert await stored(door.store, "originals") == (3, 3)
        assert await stored(door.store, "results") == (3, 3)
        started = {task["task_id"]: task["started_at"] for task in tasks}
        again = await door.send(ann, PICTURE)  # ann's own is found again
        assert again["started_at"] == started[again["task_id"]]
    anonymous = await got(door.store, tasks[2]["task_id"])
    assert anonymous.owner == "" and anonymous.fingerprint == (
        await plain_fingerprint(door, PICTURE)
    )
    for each, task in zip(every, tasks, strict=True):
        status, response = await door.ask("GET", f"/processed/{NAME}", each)
        assert status == 200 and response.headers["ETag"] == f'"{task["results"][0]["sha256"]}"'
    status, body = await door.ask("GET", f"/processed/{NAME}", admin)
    assert status == 404  # the admin's own names are none; another's are asked for by owner
    assert await findings(door.store) == []


async def plain_fingerprint(door: Door, data: bytes) -> str:
    """Return the fingerprint as it was before there were owners."""
    import hashlib

    from models.operations import parse
    from models.operations.fingerprint import fingerprint

    return fingerprint(
        hashlib.sha256(data).hexdigest(),
        [parse("thumbnail", {})],
        "png",
        [],
        door.settings.encoder_settings,
    )


async def test_intermediates_are_not_shared_between_keys(opened: Opened) -> None:
    door = await opened()
    ann, bob, _ = await pair(door)
    pipeline = {"operations": '["upscale", "grayscale"]'}
    longer = {"operations": '["upscale", "blur=3"]'}
    async with working(door.settings):
        for shown, fields in ((ann, pipeline), (ann, longer), (bob, longer)):
            form = images.form(PICTURE, "cat.png", **fields)
            status, body = await door.ask("POST", "/process?wait=100", shown, data=form)
            assert (status, body["status"]) == (200, "SUCCESS")
    kept = [each async for each in door.store._database["intermediates.files"].find()]
    assert len(kept) == 2 and len({each["metadata"]["key"] for each in kept}) == 2


OTHERS = (404, "not_found")


async def test_every_route_answers_404_for_another_owner(
    opened: Opened, settings: Settings
) -> None:
    door = await opened()
    ann, bob, admin = await pair(door)
    task = await door.send(ann, PICTURE)
    await finish(door.store, task["task_id"])
    form = images.form(PICTURE, "cat.png", email="ann@example.org")
    _, group = await door.ask("POST", "/blur", ann, data=form)
    ids = [task["task_id"], group["task_id"], group["group_id"]]
    asked = 0
    for route in create_app(settings).router.routes():
        path = route.resource.canonical if route.resource else ""
        right = permissions.route_permission(route.method, path)
        if "{" not in path or right in {Permission.PUBLIC_UNCOUNTED, Permission.DASHBOARD}:
            continue
        for theirs in (*ids, NAME, "cat.png"):
            made_up = "0" * len(theirs) if theirs in ids else "nothing.png"
            said = []
            for each in (theirs, made_up):
                filled = path.replace("{id}", each).replace("{name}", each)
                status, body = await door.ask(route.method, filled, bob)
                told = body if isinstance(body, dict) else dict(body.headers)
                told.pop("X-Request-ID", None), told.pop("Date", None)
                said.append((status, told))
            assert said[0] == said[1] and said[0][0] == 404, (route.method, path, theirs)
            asked += 1
    assert asked >= 60
    status, body = await door.ask("POST", "/groups", bob, json={"tasks": [task["task_id"]]})
    assert (status, body["code"]) == OTHERS
    # Nothing of it was done.
    assert (await got(door.store, task["task_id"])).deleted == []
    assert (await got(door.store, group["task_id"])).status == "CREATED"
    assert await door.store._database["mail"].count_documents({}) == 0
    for each in ids[:2]:
        assert (await door.ask("GET", f"/tasks/{each}", ann))[0] == 200
        assert (await door.ask("GET", f"/tasks/{each}", admin))[0] == 200


async def test_same_name_and_delete_do_not_touch_another_owner(opened: Opened) -> None:
    door = await opened()
    ann, bob, admin = await pair(door)
    theirs = {}
    for shown, data in ((ann, b"ann's" * 9), (bob, b"bob's" * 9)):
        task = await door.send(shown, PICTURE)
        await finish(door.store, task["task_id"], data)
        theirs[shown.key.id] = task["task_id"], data
    for shown in (ann, bob):
        for name in (NAME, "cat.png"):
            response = await door.client.get(f"/processed/{name}", headers=shown.headers)
            assert await response.read() == theirs[shown.key.id][1]
            assert response.headers["Cache-Control"] == "private, no-cache"
            assert "Authorization" in response.headers["Vary"]
    owned = f"/processed/{NAME}?owner={ann.key.id}"
    assert (await door.ask("GET", owned, bob))[0] == 404
    assert (await door.ask("DELETE", owned, bob))[0] == 404
    assert (await door.ask("GET", f"/processed/{NAME}?owner=$ne", admin))[0] == 404
    _, seen = await door.ask("GET", f"/tasks/{theirs[ann.key.id][0]}", admin)
    assert seen["url"] == owned
    response = await door.client.get(owned, headers=admin.headers)
    assert await response.read() == theirs[ann.key.id][1]
    assert (await door.ask("DELETE", f"/processed/{NAME}", bob))[0] == 204
    assert (await door.ask("GET", f"/processed/{NAME}", bob))[0] == 404
    assert (await door.ask("GET", f"/processed/{NAME}", ann))[0] == 200


async def test_event_streams_are_not_shared_between_keys(opened: Opened) -> None:
    door = await opened()
    ann, bob, _ = await pair(door)
    task = await door.send(ann, PICTURE)
    path = f"/tasks/{task['task_id']}/events"
    async with door.client.get(path, headers=ann.headers) as stream:
        assert stream.status == 200
        await stream.content.readuntil(b"\n\n")
        while not door.client.app[EVENT_HUB]._streams:
            await asyncio.sleep(0)
        assert (await door.ask("GET", path, bob))[0] == 404
        assert (await door.ask("GET", path))[0] == 401


async def test_same_pictures_of_two_keys_are_two_groups(opened: Opened) -> None:
    door = await opened()
    ann, bob, admin = await pair(door)
    groups = []
    for shown in (ann, bob):
        form = images.form(PICTURE, "cat.png")
        form.add_field("image", images.png(30, 20, seed=9), filename="dog.png")
        status, body = await door.ask("POST", "/thumbnail", shown, data=form)
        assert status == 202 and body["total"] == 2
        groups.append(body["group_id"])
    assert groups[0] != groups[1]
    assert (await door.ask("GET", f"/status/{groups[0]}", bob))[0] == 404
    # An admin's group of ann's tasks is not ann's group, which stays as it was.
    _, body = await door.ask("GET", f"/status/{groups[0]}", admin)
    gathered = {"tasks": [each["task_id"] for each in body["tasks"]]}
    status, mine = await door.ask("POST", "/groups", admin, json=gathered)
    assert status == 202 and mine["group_id"] != groups[0]
    assert (await door.ask("GET", f"/status/{mine['group_id']}", ann))[0] == 404
    assert (await door.ask("GET", f"/status/{groups[0]}", ann))[0] == 200


async def test_documents_without_an_owner_stay_anonymous(opened: Opened) -> None:
    door = await opened(allow_anonymous=True)
    ann, _, admin = await pair(door)
    task = await door.send(None, PICTURE)
    await finish(door.store, task["task_id"])
    await door.store._database["tasks"].update_many({}, {"$unset": {"owner": ""}})
    path = f"/tasks/{task['task_id']}"
    assert (await door.ask("GET", path))[0] == 200
    assert (await door.ask("GET", path, ann))[0] == 404
    assert (await door.ask("GET", path, admin))[0] == 200
    response = await door.client.get("/processed/cat.png")
    assert await response.read() == RESULT
    response = await door.client.get(f"/processed/{NAME}")
    assert "immutable" in response.headers["Cache-Control"]  # as ever
    assert (await door.ask("GET", "/processed/cat.png", ann))[0] == 404


async def test_disabling_keys_does_not_show_documents_of_keys(opened: Opened, client: Any) -> None:
    door = await opened()
    ann, _, _ = await pair(door)
    task = await door.send(ann, PICTURE)
    assert (await client.get(f"/tasks/{task['task_id']}")).status == 404


async def test_each_key_has_its_own_queue_limit(opened: Opened) -> None:
    door = await opened(max_queue_per_client=1)
    ann, bob, _ = await pair(door)
    await door.send(ann, PICTURE)
    form = images.form(images.png(31, 21, seed=1), "b.png")
    status, body = await door.ask("POST", "/thumbnail", ann, data=form)
    assert (status, body["code"]) == (429, "queue_full")
    await door.send(bob, PICTURE)
    assert json.dumps(body).find(bob.key.id) == -1


async def test_lost_original_is_searched_among_the_owners_only(opened: Opened) -> None:
    door = await opened()
    ann, bob, _ = await pair(door)
    task = await door.send(ann, PICTURE)
    await door.send(bob, PICTURE)
    task_id = task["task_id"]
    assert (await door.ask("DELETE", f"/tasks/{task_id}", ann))[0] == 200
    originals = door.store._database["originals.files"]
    await originals.delete_one({"metadata.key": {"$regex": f"^{ann.key.id}:"}})
    status, body = await door.ask("POST", f"/tasks/{task_id}/retry", ann)
    assert (status, body["code"]) == (409, "original_gone")
