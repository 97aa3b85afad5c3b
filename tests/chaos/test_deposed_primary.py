"""A primary that is cut off from a majority: nothing that it could lose is answered 2xx."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from models.tasks.task import Task
from service.app import create_app
from service.app_keys import STORE
from tests.support import images
from tests.support.replica_set import SETTINGS, ReplicaSet
from tests.support.smtp import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    # Long enough for what is asked of a primary that has lost its majority.
    settings = {**SETTINGS, "electionTimeoutMillis": 5000}
    with ReplicaSet(tmp_path_factory.mktemp("trio"), settings=settings) as started:
        yield started


async def _send(client: Any, data: bytes) -> Any:
    return await client.post("/grayscale", data=images.form(data, "cat.png"))


async def test_what_a_rollback_takes_back_was_never_promised(
    trio: ReplicaSet, settings: Settings, aiohttp_client: Any
) -> None:
    changed = settings.replace(mongo_url=trio.url, store_timeout=1)
    one, other = [await aiohttp_client(create_app(changed)) for _ in range(2)]
    promised = await (await _send(other, images.png(seed=1))).json()
    primary, secondaries = trio.primary(), trio.secondaries()
    _cut_off_before_the_insert(one.app[STORE], trio, secondaries)
    first = asyncio.create_task(_send(one, images.png(seed=2)))
    inserted = {"filter": {"_id": {"$ne": promised["task_id"]}}}
    name = changed.stores.mongo_db
    lost: list[Any] = []
    while not lost:  # on the primary alone
        await asyncio.sleep(0.01)
        lost = trio.ask(primary, "find", "tasks", name, **inserted)["cursor"]["firstBatch"]

    # More uploads than Motor has threads by default wait for a majority; reads go on beside them.
    stuck = [asyncio.create_task(_send(one, images.png(seed=seed))) for seed in range(10, 22)]
    assert (await other.get(f"/tasks/{promised['task_id']}")).status == 200
    assert not any(each.done() for each in stuck)
    ready = await other.get("/readyz")
    assert ready.status == 503 and "mongodb" in (await ready.json())["missing"]

    again, same, unknown = await asyncio.gather(
        _send(other, images.png(seed=2)),
        # Not even what a majority has: a primary that was replaced does not know what became of it.
        _send(other, images.png(seed=1)),
        other.get(f"/tasks/{'0' * 32}"),
    )
    assert [each.status for each in (again, same, unknown, await first)] == [503] * 4
    assert {each.status for each in await asyncio.gather(*stuck)} == {503}

    trio.kill(primary)
    for member in secondaries:
        trio.start(member)
    assert trio.primary() != primary
    trio.start(primary)
    trio.until(lambda: trio.states().count("SECONDARY") == 2, "two secondaries")
    for client in (one, other):
        await wait_until(partial(_finds_the_primary, client))
    assert (await other.get(f"/tasks/{lost[0]['_id']}")).status == 404  # it was rolled back
    assert (await other.get(f"/tasks/{promised['task_id']}")).status == 200
    assert (await _send(one, images.png(seed=2))).status == 202
    assert (await other.get(f"/tasks/{lost[0]['_id']}")).status == 200


async def _finds_the_primary(client: Any) -> bool:
    return "mongodb" not in (await (await client.get("/readyz")).json())["missing"]


def _cut_off_before_the_insert(store: Store, trio: ReplicaSet, members: list[str]) -> None:
    """Cut the primary off once all that comes before the task has been acknowledged."""
    create = store.tasks.create

    async def cut_off(*args: Any, **options: Any) -> Task | None:
        store.tasks.create = create  # type: ignore[method-assign]
        for member in members:
            trio.kill(member)
        return await create(*args, **options)

    store.tasks.create = cut_off  # type: ignore[method-assign]
