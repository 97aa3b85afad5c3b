"""The backup of a replica set by docs/deployment.md, and its restore on another server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from models.settings import Settings
from service.app import create_app
from service.app_keys import STORE
from standalone.embedded_stores import free_port
from tests.conftest import working
from tests.support import images
from tests.support.replica_set import ReplicaSet
from tests.support.task_factory import findings, finish

pytestmark = pytest.mark.integration


async def test_a_copy_of_a_secondary_becomes_a_set(
    settings: Settings, aiohttp_client: Any, tmp_path: Path
) -> None:
    """While it is copied, uploads go on; the restored set has what was accepted before."""
    picture = images.png(30, 20, seed=1)
    with ReplicaSet(tmp_path) as trio:
        client = await aiohttp_client(create_app(settings.replace(mongo_url=trio.url)))

        async def send(data: bytes) -> str:
            sent = await client.post("/grayscale", data=images.form(data, "cat.png"))
            assert sent.status == 202, await sent.text()
            return str((await sent.json())["task_id"])

        done = await send(picture)
        await finish(client.app[STORE], done, picture)
        waiting = await send(images.png(30, 20, seed=2))
        secondary = trio.secondaries()[0]
        trio.until(lambda: _has_everything(trio), "secondary that has everything")
        trio.ask(secondary, "fsync", lock=True)
        later = await send(images.png(30, 20, seed=3))
        copy = f"127.0.0.1:{free_port()}"
        shutil.copytree(tmp_path / secondary, tmp_path / copy)
        trio.ask(secondary, "fsyncUnlock")
        await client.close()
    with Redis.from_url(settings.stores.redis_url) as redis:
        redis.flushdb()

    solo = ReplicaSet(tmp_path, {copy: ()})
    try:
        solo.start(copy)
        config = solo.ask(copy, "replSetGetConfig")["config"]
        config["members"] = [{"_id": 0, "host": copy}]
        solo.ask(copy, "replSetReconfig", config, force=True)
        assert solo.primary() == copy
        restored = settings.replace(mongo_url=solo.url)
        client = await aiohttp_client(create_app(restored))
        result = await client.get("/processed/cat-grayscale.png")
        assert (result.status, await result.read()) == (200, picture)
        async with working(restored):
            ended = await (await client.get(f"/tasks/{waiting}?wait=60")).json()
        assert ended["status"] == "SUCCESS"
        assert (await client.get(f"/tasks/{later}")).status == 404
        assert await findings(client.app[STORE]) == []
        await client.close()
    finally:
        solo.__exit__()


def _has_everything(trio: ReplicaSet) -> bool:
    members = trio.ask(trio.primary(), "replSetGetStatus")["members"]
    return len({str(member["optime"]) for member in members}) == 1
