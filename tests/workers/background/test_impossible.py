"""A task that no worker can do fails after an hour, and says what was missing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.redis.queue import connect
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.support import images
from tests.workers.background.test_sweep import idle_worker
from workers.background.impossible import fail_impossible


@pytest.mark.parametrize(
    ("asked", "others", "status"),
    [
        (timedelta(hours=2), {}, "FAILURE"),
        (timedelta(minutes=50), {}, "CREATED"),
        (timedelta(hours=2), {"png_level": 4}, "CREATED"),  # another worker can, and is busy
    ],
)
async def test_only_what_nobody_can_do_for_an_hour_fails(
    asked: timedelta,
    others: dict[str, Any],
    status: str,
    settings: Settings,
    store: Store,
    aiohttp_client: Any,
    tmp_path: Path,
) -> None:
    client = await aiohttp_client(create_app(settings.replace(png_level=4)))
    body = await (await client.post("/grayscale", data=images.form(images.png(), "a.png"))).json()
    await store._database["tasks"].update_one(
        {"_id": body["task_id"]}, [{"$set": {"asked_at": {"$subtract": ["$$NOW", _ms(asked)]}}}]
    )
    redis = connect(settings.stores)
    worker = idle_worker(settings, store, redis, tmp_path)
    other = idle_worker(settings.replace(**others), store, redis, tmp_path)
    for name, each in (("w", worker), ("v", other)):
        await store.workers.report(
            name, status={"abilities": each.abilities.model_dump()}, first=True
        )
    assert await fail_impossible(worker) == (status == "FAILURE")
    assert await fail_impossible(worker) == 0  # another has just looked
    task = await (await client.get(f"/tasks/{body['task_id']}")).json()
    assert task["status"] == status
    if status == "FAILURE":
        assert task["error"]["code"] == "no_capable_worker"
        assert "what this task needs: png 4; start" in task["error"]["detail"]
    await redis.aclose(close_connection_pool=True)


async def test_workers_of_older_versions_do_anything(store: Store) -> None:
    await store.workers.report("old", first=True)
    assert await store.workers.abilities() is None


def _ms(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)
