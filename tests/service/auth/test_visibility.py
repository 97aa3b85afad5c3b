"""Two keys, the same image: neither learns of the other by any route, name or duplicate."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from service.app import create_app
from service.auth.permissions import Permission
from service.events.sse_hub import EVENT_HUB
from tests.conftest import working
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Credentials, KeyedService, StartService, route_permissions
from tests.support.smtp import wait_until
from tests.support.task_factory import RESULT, findings, finish, got, stored

PICTURE = images.png(60, 40, seed=7)
NAME = "cat-thumbnail-100x100.png"


@pytest.fixture
def start_service(settings: Settings, aiohttp_client: Any) -> StartService:
    return api_key_clients.service_starter(settings, aiohttp_client)


async def ann_bob_admin(service: KeyedService) -> tuple[Credentials, Credentials, Credentials]:
    return (
        await service.key(name="ann"),
        await service.key(name="bob"),
        await service.key(Scope.ADMIN),
    )


async def test_same_bytes_of_two_keys_are_two_tasks(
    start_service: StartService,
) -> None:
    service = await start_service(allow_anonymous=True)
    ann, bob, admin = await ann_bob_admin(service)
    async with working(service.settings):
        every = [ann, bob, None]
        tasks = []
        for each in every:
            form = images.form(PICTURE, "cat.png")
            status, body = await service.request("POST", "/thumbnail?wait=60", each, data=form)
            assert (status, body["status"]) == (200, "SUCCESS")
            assert body["url"] == f"/processed/{NAME}"  # as if the other did not exist
            tasks.append(body)
        assert len({task["task_id"] for task in tasks}) == 3
        assert await stored(service.store, "originals") == (3, 3)
        assert await stored(service.store, "results") == (3, 3)
        started = {task["task_id"]: task["started_at"] for task in tasks}
        again = await service.send(ann, PICTURE)  # ann's own task is reused
        assert again["started_at"] == started[again["task_id"]]
    anonymous = await got(service.store, tasks[2]["task_id"])
    assert anonymous.owner == "" and anonymous.fingerprint == (
        await fingerprint_without_owner(service, PICTURE)
    )
    for each, task in zip(every, tasks, strict=True):
        status, response = await service.request("GET", f"/processed/{NAME}", each)
        assert status == 200 and response.headers["ETag"] == f'"{task["results"][0]["sha256"]}"'
    status, body = await service.request("GET", f"/processed/{NAME}", admin)
    assert status == 404  # the admin has no results; others need ?owner=
    assert await findings(service.store) == []


async def fingerprint_without_owner(service: KeyedService, data: bytes) -> str:
    """Return the fingerprint of a task without owner."""
    import hashlib

    from models.operations import parse
    from models.operations.fingerprint import fingerprint

    return fingerprint(
        hashlib.sha256(data).hexdigest(),
        [parse("thumbnail", {})],
        "png",
        [],
        service.settings.encoding.encoder_settings,
    )


async def test_intermediates_are_not_shared_between_keys(start_service: StartService) -> None:
    service = await start_service()
    ann, bob, _ = await ann_bob_admin(service)
    pipeline = {"operations": '["upscale", "grayscale"]'}
    longer = {"operations": '["upscale", "blur=3"]'}
    async with working(service.settings):
        for credentials, fields in ((ann, pipeline), (ann, longer), (bob, longer)):
            form = images.form(PICTURE, "cat.png", **fields)
            status, body = await service.request(
                "POST", "/process?wait=100", credentials, data=form
            )
            assert (status, body["status"]) == (200, "SUCCESS")
        intermediates = service.store._database["intermediates.files"]

        async def both_stored() -> bool:  # a worker stores one after the result
            return await intermediates.count_documents({}) == 2

        await wait_until(both_stored)
    assert len(await intermediates.distinct("metadata.key")) == 2


NOT_FOUND = (404, "not_found")


async def test_every_route_answers_404_for_another_owner(
    start_service: StartService, settings: Settings
) -> None:
    service = await start_service()
    ann, bob, admin = await ann_bob_admin(service)
    task = await service.send(ann, PICTURE)
    await finish(service.store, task["task_id"])
    form = images.form(PICTURE, "cat.png", email="ann@example.org")
    _, group = await service.request("POST", "/blur", ann, data=form)
    ids = [task["task_id"], group["task_id"], group["group_id"]]
    count = 0
    for (method, path), right in route_permissions(create_app(settings)).items():
        if "{" not in path or right in {Permission.PUBLIC_UNCOUNTED, Permission.DASHBOARD}:
            continue
        if path == "/presets/{name}":  # a name of the key's own; of others: test_presets.py
            continue
        for resource in (*ids, NAME, "cat.png"):
            made_up = "0" * len(resource) if resource in ids else "nothing.png"
            responses = []
            for each in (resource, made_up):
                filled = path.replace("{id}", each).replace("{name}", each)
                status, body = await service.request(method, filled, bob)
                shown = body if isinstance(body, dict) else dict(body.headers)
                shown.pop("X-Request-ID", None), shown.pop("Date", None)
                responses.append((status, shown))
            assert responses[0] == responses[1] and responses[0][0] == 404, (
                method,
                path,
                resource,
            )
            count += 1
    assert count >= 60
    status, body = await service.request("POST", "/groups", bob, json={"tasks": [task["task_id"]]})
    assert (status, body["code"]) == NOT_FOUND
    # Nothing was changed.
    assert (await got(service.store, task["task_id"])).deleted == []
    assert (await got(service.store, group["task_id"])).status == "CREATED"
    assert await service.store._database["mail"].count_documents({}) == 0
    for each in ids[:2]:
        assert (await service.request("GET", f"/tasks/{each}", ann))[0] == 200
        assert (await service.request("GET", f"/tasks/{each}", admin))[0] == 200


async def test_same_name_and_delete_do_not_touch_another_owner(start_service: StartService) -> None:
    service = await start_service()
    ann, bob, admin = await ann_bob_admin(service)
    resource = {}
    for credentials, data in ((ann, b"ann's" * 9), (bob, b"bob's" * 9)):
        task = await service.send(credentials, PICTURE)
        await finish(service.store, task["task_id"], data)
        resource[credentials.key.id] = task["task_id"], data
    for credentials in (ann, bob):
        for name in (NAME, "cat.png"):
            response = await service.client.get(f"/processed/{name}", headers=credentials.headers)
            assert await response.read() == resource[credentials.key.id][1]
            assert response.headers["Cache-Control"] == "private, no-cache"
            assert "Authorization" in response.headers["Vary"]
    owned = f"/processed/{NAME}?owner={ann.key.id}"
    assert (await service.request("GET", owned, bob))[0] == 404
    assert (await service.request("DELETE", owned, bob))[0] == 404
    assert (await service.request("GET", f"/processed/{NAME}?owner=$ne", admin))[0] == 404
    _, seen = await service.request("GET", f"/tasks/{resource[ann.key.id][0]}", admin)
    assert seen["url"] == owned
    response = await service.client.get(owned, headers=admin.headers)
    assert await response.read() == resource[ann.key.id][1]
    assert (await service.request("DELETE", f"/processed/{NAME}", bob))[0] == 204
    assert (await service.request("GET", f"/processed/{NAME}", bob))[0] == 404
    assert (await service.request("GET", f"/processed/{NAME}", ann))[0] == 200


async def test_event_streams_are_not_shared_between_keys(start_service: StartService) -> None:
    service = await start_service()
    ann, bob, _ = await ann_bob_admin(service)
    task = await service.send(ann, PICTURE)
    path = f"/tasks/{task['task_id']}/events"
    async with service.client.get(path, headers=ann.headers) as stream:
        assert stream.status == 200
        await stream.content.readuntil(b"\n\n")
        while not service.client.app[EVENT_HUB]._streams:
            await asyncio.sleep(0)
        assert (await service.request("GET", path, bob))[0] == 404
        assert (await service.request("GET", path))[0] == 401


async def test_same_pictures_of_two_keys_are_two_groups(start_service: StartService) -> None:
    service = await start_service()
    ann, bob, admin = await ann_bob_admin(service)
    groups = []
    for credentials in (ann, bob):
        form = images.form(PICTURE, "cat.png")
        form.add_field("image", images.png(30, 20, seed=9), filename="dog.png")
        status, body = await service.request("POST", "/thumbnail", credentials, data=form)
        assert status == 202 and body["total"] == 2
        groups.append(body["group_id"])
    assert groups[0] != groups[1]
    assert (await service.request("GET", f"/status/{groups[0]}", bob))[0] == 404
    # An admin's group of ann's tasks is separate; ann's group is unchanged.
    _, body = await service.request("GET", f"/status/{groups[0]}", admin)
    gathered = {"tasks": [each["task_id"] for each in body["tasks"]]}
    status, mine = await service.request("POST", "/groups", admin, json=gathered)
    assert status == 202 and mine["group_id"] != groups[0]
    assert (await service.request("GET", f"/status/{mine['group_id']}", ann))[0] == 404
    assert (await service.request("GET", f"/status/{groups[0]}", ann))[0] == 200


async def test_documents_without_an_owner_stay_anonymous(start_service: StartService) -> None:
    service = await start_service(allow_anonymous=True)
    ann, _, admin = await ann_bob_admin(service)
    task = await service.send(None, PICTURE)
    await finish(service.store, task["task_id"])
    await service.store._database["tasks"].update_many({}, {"$unset": {"owner": ""}})
    path = f"/tasks/{task['task_id']}"
    assert (await service.request("GET", path))[0] == 200
    assert (await service.request("GET", path, ann))[0] == 404
    assert (await service.request("GET", path, admin))[0] == 200
    response = await service.client.get("/processed/cat.png")
    assert await response.read() == RESULT
    response = await service.client.get(f"/processed/{NAME}")
    assert "immutable" in response.headers["Cache-Control"]  # unchanged
    assert (await service.request("GET", "/processed/cat.png", ann))[0] == 404


async def test_disabling_keys_does_not_show_documents_of_keys(
    start_service: StartService, client: Any
) -> None:
    service = await start_service()
    ann, _, _ = await ann_bob_admin(service)
    task = await service.send(ann, PICTURE)
    assert (await client.get(f"/tasks/{task['task_id']}")).status == 404


async def test_each_key_has_its_own_queue_limit(start_service: StartService) -> None:
    service = await start_service(max_queue_per_client=1)
    ann, bob, _ = await ann_bob_admin(service)
    await service.send(ann, PICTURE)
    form = images.form(images.png(31, 21, seed=1), "b.png")
    status, body = await service.request("POST", "/thumbnail", ann, data=form)
    assert (status, body["code"]) == (429, "queue_full")
    await service.send(bob, PICTURE)
    assert json.dumps(body).find(bob.key.id) == -1


async def test_lost_original_is_searched_among_the_owners_only(start_service: StartService) -> None:
    service = await start_service()
    ann, bob, _ = await ann_bob_admin(service)
    task = await service.send(ann, PICTURE)
    await service.send(bob, PICTURE)
    task_id = task["task_id"]
    assert (await service.request("DELETE", f"/tasks/{task_id}", ann))[0] == 200
    originals = service.store._database["originals.files"]
    await originals.delete_one({"metadata.key": {"$regex": f"^{ann.key.id}:"}})
    status, body = await service.request("POST", f"/tasks/{task_id}/retry", ann)
    assert (status, body["code"]) == (409, "original_gone")
