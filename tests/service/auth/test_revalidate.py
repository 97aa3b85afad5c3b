"""A key revoked during its request: nothing is stored, nothing is returned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from models.auth.api_key import Scope
from service.events.long_poll import COMPLETION_WAITER
from tests.support import images
from tests.support.api_key_clients import KeyedService, StartService
from tests.support.task_factory import finish, stored

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
JSON = {"Content-Type": "application/json"}


def form(field: str) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a.png"\r\n\r\n'
    operations = b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\nsplit\r\n'
    return operations * (field == "images") + head.encode() + images.png() + b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("/thumbnail", form("image"), FORM),
        ("/process", form("images"), FORM),
        ("/convert", form("file"), FORM),
        ("/convert/", form("uploaded_file"), FORM),
        ("/groups", b'{"tasks": ["TASK"]}', JSON),
        ("/items/", json.dumps({"images": [{"input": "a.png", "output": "b.png"}]}).encode(), JSON),
    ],
)
async def test_upload_is_refused_when_its_key_is_revoked_meanwhile(
    start_service: StartService, tmp_path: Path, path: str, data: bytes, kind: dict[str, str]
) -> None:
    (tmp_path / "a.png").write_bytes(images.png())
    service = await start_service(images_root=tmp_path)
    ann, bob = await service.key(*Scope), await service.key(*Scope, name="bob")
    task = (await service.send(bob))["task_id"]
    before = await stored_counts(service)
    arriving, revoked = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        whole = data.replace(b"TASK", task.encode())
        yield whole[:10]
        arriving.set()
        await revoked.wait()
        yield whole[10:]

    sending = asyncio.create_task(service.request("POST", path, ann, data=body(), headers=kind))
    await arriving.wait()
    await wait_until_authenticated(service, sending)
    assert await service.store.api_keys.revoke(ann.key.id)
    revoked.set()
    status, problem = await sending
    assert (status, problem["code"]) == (401, "unauthorized"), problem
    assert await stored_counts(service) == before
    assert not (tmp_path / "b.png").exists()


async def wait_until_authenticated(service: KeyedService, sending: asyncio.Task[Any]) -> None:
    """Return when the key of the request was accepted."""
    used = {"name": "ann", "used_at": {"$ne": None}}
    while not await service.store._database["keys"].find_one(used):
        assert not sending.done()
        await asyncio.sleep(0.01)


async def stored_counts(service: KeyedService) -> list[int]:
    found = [
        await service.store._database[name].count_documents({})
        for name in ("tasks", "groups", "names", "events")
    ]
    return [*found, *await stored(service.store, "originals")]


@pytest.mark.parametrize("void", ["revoke", "rotate"])
@pytest.mark.parametrize(
    "path", ["/tasks/TASK?wait=30", "/status/TASK?wait=30", "/status/GROUP/archive?wait=30"]
)
async def test_long_poll_is_refused_when_its_key_is_revoked_meanwhile(
    start_service: StartService, path: str, void: str
) -> None:
    service = await start_service()
    ann = await service.key()
    task = (await service.send(ann))["task_id"]
    _, group = await service.request("POST", "/groups", ann, json={"tasks": [task]})
    path = path.replace("TASK", task).replace("GROUP", group["group_id"])
    waiting = asyncio.create_task(service.request("GET", path, ann))
    await wait_until_polling(service, waiting, task)
    assert await getattr(service.store.api_keys, void)(ann.key.id)
    await finish(service.store, task)
    status, body = await waiting
    assert (status, body["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("path", "field", "count"),
    [
        ("/thumbnail?wait=30", "image", 1),
        ("/thumbnail?wait=30", "image", 2),
        ("/convert/", "uploaded_file", 1),
    ],
)
async def test_submission_with_wait_is_refused_when_its_key_is_revoked_meanwhile(
    start_service: StartService, path: str, field: str, count: int
) -> None:
    service = await start_service()
    ann = await service.key()
    sent = aiohttp.FormData()
    for seed in range(count):
        sent.add_field(field, images.png(seed=seed), filename=f"{seed}.png")
    waiting = asyncio.create_task(service.request("POST", path, ann, data=sent))
    await wait_until_polling(service, waiting)
    assert await service.store.api_keys.revoke(ann.key.id)
    async for task in service.store._database["tasks"].find({}, {"_id": 1}):
        await finish(service.store, task["_id"])
    status, body = await waiting
    assert (status, body["code"]) == (401, "unauthorized")


async def test_long_poll_by_link_is_refused_when_the_key_is_revoked_meanwhile(
    start_service: StartService,
) -> None:
    service = await start_service()
    ann = await service.key()
    task = (await service.send(ann))["task_id"]
    _, link = await service.request("POST", f"/status/{task}/archive/link", ann)
    headers = {"Prefer": "wait=30"}
    waiting = asyncio.create_task(service.request("GET", link["url"], headers=headers))
    await wait_until_polling(service, waiting, task)
    assert await service.store.api_keys.revoke(ann.key.id)
    await finish(service.store, task)
    status, body = await waiting
    assert (status, body["code"]) == (403, "forbidden")


async def wait_until_polling(
    service: KeyedService, call: asyncio.Task[Any], task_id: str = ""
) -> None:
    """Return when the request waits for a task: for ``task_id``, if given."""
    app: Any = service.client.app
    waiting = app[COMPLETION_WAITER]._waiters
    while not (task_id in waiting if task_id else any(waiting)):
        assert not call.done(), call.result()
        await asyncio.sleep(0.01)
