"""Admission: queue limits, fair queueing between clients, free disk space."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from models.redis.queue import connect
from models.settings import Settings
from models.store import Store
from service.app import create_app
from service.submissions import admission
from tests.conftest import Client, working
from tests.support import images
from tests.support.task_factory import stored

Send = Callable[..., Awaitable[Any]]


async def post(
    client: Client, seed: int, *, client_address: str = "", path: str = "/grayscale"
) -> Any:
    headers = {"X-Forwarded-For": client_address} if client_address else {}
    form = images.form(images.png(seed=seed), f"{seed}.png")
    return await client.post(path, data=form, headers=headers)


async def order(settings: Settings) -> list[str]:
    """Return the ids of the waiting tasks in the order in which arq serves them."""
    redis = connect(settings.stores)
    jobs = await redis.zrange("arq:queue", 0, -1)
    await redis.aclose(close_connection_pool=True)
    return [job.decode().partition(":")[0] for job in jobs]


async def test_full_queue_responds_429_with_retry_after(
    settings: Settings, store: Store, aiohttp_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_COUNT_SECONDS", 0)
    tight = settings.replace(max_queue=3)
    client = await aiohttp_client(create_app(tight))
    first = [await (await post(client, seed)).json() for seed in range(3)]
    refused = await post(client, 3)
    body = await refused.json()
    assert (refused.status, body["code"]) == (429, "queue_full")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_QUEUE", 3, 3)
    # No task has ended yet, so there is no rate to estimate from.
    assert refused.headers["Retry-After"] == str(body["retry_after"]) == "30"
    assert (await post(client, 0)).status == 202  # an existing task, not a new one
    assert (await client.delete(f"/tasks/{first[0]['task_id']}")).status == 200
    assert (await post(client, 3)).status == 202
    # A retried task is open again, so it counts against the limit.
    again = await client.post(f"/tasks/{first[0]['task_id']}/retry")
    body = await again.json()
    assert (again.status, body["code"]) == (429, "queue_full")
    assert again.headers["Retry-After"] == "60"  # one task ended within the minute
    assert (await stored(store, "originals"))[0] == 4


async def test_max_queue_per_client(settings: Settings, aiohttp_client: Any) -> None:
    tight = settings.replace(max_queue_per_client=2, proxies=1)
    client = await aiohttp_client(create_app(tight))
    for seed in range(2):
        assert (await post(client, seed, client_address="198.51.100.1")).status == 202
    refused = await post(client, 2, client_address="198.51.100.1")
    body = await refused.json()
    assert (refused.status, body["setting"], body["limit"]) == (429, "MAX_QUEUE_PER_CLIENT", 2)
    assert (await post(client, 2, client_address="198.51.100.2")).status == 202


async def test_concurrent_submissions_stay_within_the_limit(
    settings: Settings, aiohttp_client: Any
) -> None:
    tight = settings.replace(max_queue_per_client=5)
    client = await aiohttp_client(create_app(tight))
    responses = await asyncio.gather(*(post(client, seed) for seed in range(20)))
    assert sorted(response.status for response in responses) == [202] * 5 + [429] * 15


async def test_batch_images_beyond_the_limit_are_refused_alone(
    settings: Settings, aiohttp_client: Any
) -> None:
    tight = settings.replace(max_queue_per_client=2)
    client = await aiohttp_client(create_app(tight))
    form = aiohttp.FormData()
    for seed in range(4):
        form.add_field("image", images.png(seed=seed), filename=f"{seed}.png")
    body = await (await client.post("/grayscale", data=form)).json()
    assert body["total"] == 4
    codes = [(task["error"] or {}).get("code") for task in body["tasks"]]
    assert codes == [None, None, "queue_full", "queue_full"]


async def test_batch_does_not_delay_other_clients(settings: Settings, aiohttp_client: Any) -> None:
    fair = settings.replace(proxies=1)
    client = await aiohttp_client(create_app(fair))
    batch = [
        await (await post(client, seed, client_address="198.51.100.1")).json() for seed in range(10)
    ]
    single = await (await post(client, 10, client_address="198.51.100.2")).json()
    second = await (await post(client, 11, client_address="198.51.100.2")).json()
    third = await (await post(client, 12, client_address="198.51.100.3")).json()
    ids = [body["task_id"] for body in batch]
    # Round by round; within a round in order of submission.
    expected = [ids[0], single, third, ids[1], second, *ids[2:]]
    expected = [each if isinstance(each, str) else each["task_id"] for each in expected]
    served = await order(settings)
    assert served[3:] == expected[3:] or set(served[:3]) == set(expected[:3])
    assert set(served[:3]) == set(expected[:3])
    assert set(served[3:5]) == set(expected[3:5])
    assert served[5:] == expected[5:]


async def test_new_client_joins_the_current_round(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    """A new client joins the round that is served, not the first one, so no client starves."""
    fair = settings.replace(proxies=1)
    client = await aiohttp_client(create_app(fair))
    batch = [
        await (await post(client, seed, client_address="198.51.100.1")).json() for seed in range(6)
    ]
    for body in batch[:4]:
        await store.leases.claim(body["task_id"], worker="w", token="t", seconds=60, max_attempts=3)
    late = await (await post(client, 6, client_address="198.51.100.2")).json()
    task = await store.tasks.get(late["task_id"])
    assert task is not None and task.turn == 5
    assert len(task.client) == 16 and "198" not in task.client


async def test_worker_serves_clients_fairly(settings: Settings, aiohttp_client: Any) -> None:
    fair = settings.replace(proxies=1)
    client = await aiohttp_client(create_app(fair))
    for seed in range(8):
        await post(client, seed, client_address="198.51.100.1")
    single = await (await post(client, 8, client_address="198.51.100.2")).json()
    async with working(fair):
        url = f"/tasks/{single['task_id']}?wait=30"
        assert (await (await client.get(url)).json())["status"] == "SUCCESS"
        store = await Store.open(fair)
        begun = store._database["tasks"].find({"started_at": {"$ne": None}}, {"started_at": 1})
        starts = {each["_id"]: each["started_at"] async for each in begun}
        store.close()
    assert sum(start < starts[single["task_id"]] for start in starts.values()) <= 1


async def test_full_disk_refuses_uploads(settings: Settings, aiohttp_client: Any) -> None:
    greedy = settings.replace(min_free_disk_bytes=10**18)
    client = await aiohttp_client(create_app(greedy))
    refused = await post(client, 0)
    body = await refused.json()
    assert (refused.status, body["code"], body["setting"]) == (
        503,
        "no_room",
        "MIN_FREE_DISK_BYTES",
    )
    assert body["limit"] == 10**18 and 0 < body["measured"] < 10**18
    assert refused.headers["Retry-After"] == "30"
    assert (await client.get("/operations")).status == 200


async def test_disk_of_mongodb_is_measured(store: Store) -> None:
    disk = (await store.task_stats.storage()).disk
    assert disk is not None and 0 < disk[0] < disk[1]
