"""A key that is revoked while its call is under way: nothing is made of it, nothing shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from models.auth.api_key import Scope
from models.settings import Settings
from service.events.long_poll import COMPLETION_WAITER
from tests.support import api_key_clients, images
from tests.support.api_key_clients import Door, Opened
from tests.support.task_factory import finish, stored

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def opened(settings: Settings, aiohttp_client: Any) -> Opened:
    start = api_key_clients.opening(settings, aiohttp_client)

    async def at_once(**update: Any) -> Door:
        return await start(**{"key_cache_seconds": 0, **update})

    return at_once


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
    opened: Opened, tmp_path: Path, path: str, data: bytes, kind: dict[str, str]
) -> None:
    (tmp_path / "a.png").write_bytes(images.png())
    door = await opened(images_root=tmp_path)
    ann, bob = await door.key(*Scope), await door.key(*Scope, name="bob")
    task = (await door.send(bob))["task_id"]
    before = await made(door)
    arriving, revoked = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        whole = data.replace(b"TASK", task.encode())
        yield whole[:10]
        arriving.set()
        await revoked.wait()
        yield whole[10:]

    sending = asyncio.create_task(door.ask("POST", path, ann, data=body(), headers=kind))
    await arriving.wait()
    await let_in(door, sending)
    assert await door.store.api_keys.revoke(ann.key.id)
    revoked.set()
    status, answer = await sending
    assert (status, answer["code"]) == (401, "unauthorized"), answer
    assert await made(door) == before
    assert not (tmp_path / "b.png").exists()


async def let_in(door: Door, sending: asyncio.Task[Any]) -> None:
    """Return when the key of a call was found good."""
    used = {"name": "ann", "used_at": {"$ne": None}}
    while not await door.store._database["keys"].find_one(used):
        assert not sending.done()
        await asyncio.sleep(0.01)


async def made(door: Door) -> list[int]:
    found = [
        await door.store._database[name].count_documents({})
        for name in ("tasks", "groups", "names", "events")
    ]
    return [*found, *await stored(door.store, "originals")]


@pytest.mark.parametrize("void", ["revoke", "rotate"])
@pytest.mark.parametrize(
    "path", ["/tasks/TASK?wait=30", "/status/TASK?wait=30", "/status/GROUP/archive?wait=30"]
)
async def test_long_poll_is_refused_when_its_key_is_revoked_meanwhile(
    opened: Opened, path: str, void: str
) -> None:
    door = await opened()
    ann = await door.key()
    task = (await door.send(ann))["task_id"]
    _, group = await door.ask("POST", "/groups", ann, json={"tasks": [task]})
    path = path.replace("TASK", task).replace("GROUP", group["group_id"])
    waiting = asyncio.create_task(door.ask("GET", path, ann))
    await waits(door, waiting, task)
    assert await getattr(door.store.api_keys, void)(ann.key.id)
    await finish(door.store, task)
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
    opened: Opened, path: str, field: str, count: int
) -> None:
    door = await opened()
    ann = await door.key()
    sent = aiohttp.FormData()
    for seed in range(count):
        sent.add_field(field, images.png(seed=seed), filename=f"{seed}.png")
    waiting = asyncio.create_task(door.ask("POST", path, ann, data=sent))
    await waits(door, waiting)
    assert await door.store.api_keys.revoke(ann.key.id)
    async for task in door.store._database["tasks"].find({}, {"_id": 1}):
        await finish(door.store, task["_id"])
    status, body = await waiting
    assert (status, body["code"]) == (401, "unauthorized")


async def test_long_poll_by_link_is_refused_when_the_key_is_revoked_meanwhile(
    opened: Opened,
) -> None:
    door = await opened()
    ann = await door.key()
    task = (await door.send(ann))["task_id"]
    _, link = await door.ask("POST", f"/status/{task}/archive/link", ann)
    patient = {"Prefer": "wait=30"}
    waiting = asyncio.create_task(door.ask("GET", link["url"], headers=patient))
    await waits(door, waiting, task)
    assert await door.store.api_keys.revoke(ann.key.id)
    await finish(door.store, task)
    status, body = await waiting
    assert (status, body["code"]) == (403, "forbidden")


async def waits(door: Door, call: asyncio.Task[Any], task_id: str = "") -> None:
    """Return when a call waits for a task: for that one, if said."""
    app: Any = door.client.app
    waiting = app[COMPLETION_WAITER]._waiters
    while not (task_id in waiting if task_id else any(waiting)):
        assert not call.done(), call.result()
        await asyncio.sleep(0.01)
