"""Equal requests share one task, whatever the service, moment or file name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from models.tasks.task import Result
from service.app import create_app
from tests.conftest import working
from tests.support import images
from tests.support.task_factory import finish

Send = Callable[..., Awaitable[Any]]


async def count(store: Store, collection: str) -> int:
    return await store._database[collection].count_documents({})


async def finished(send: Send, store: Store, data: bytes) -> Any:
    """Upload a picture and finish its task, with the picture as its result."""
    body = await (await send(data)).json()
    await finish(store, body["task_id"], data)
    return await (await send(data)).json()


async def test_two_hundred_equal_requests_are_one_task_and_one_attempt(
    send: Send, store: Store, settings: Settings, caplog: Any
) -> None:
    async with working(settings):
        responses = await asyncio.gather(*(send(query="?wait=30") for _ in range(200)))
        bodies = [await response.json() for response in responses]
        assert {response.status for response in responses} == {200}
        assert len({body["task_id"] for body in bodies}) == 1
        assert {body["status"] for body in bodies} == {"SUCCESS"}
        assert {body["url"] for body in bodies} == {"/processed/cat-upscale-x2.png"}
    # arq may run a job again that a late request enqueued: it finds no work, and is no attempt.
    assert await count(store, "tasks") == 1
    assert await count(store, "names") == 1
    assert await count(store, "originals.files") == 1
    assert await count(store, "results.files") == 1
    task = await store.tasks.get(bodies[0]["task_id"])
    assert task is not None and (task.attempts, task.rings) == (1, 0)


async def test_equal_requests_to_three_services_are_one_task(
    settings: Settings, store: Store, aiohttp_client: Any
) -> None:
    clients = [await aiohttp_client(create_app(settings)) for _ in range(3)]
    posts = [
        client.post("/upscale", data=images.form(images.png(), "cat.png"))
        for client in clients
        for _ in range(5)
    ]
    bodies = [await response.json() for response in await asyncio.gather(*posts)]
    assert len({body["task_id"] for body in bodies}) == 1
    assert await count(store, "tasks") == 1
    assert await count(store, "originals.files") == 1
    assert await count(store, "originals.chunks") == 1


async def test_resubmission_of_a_finished_task_responds_200(send: Send, worker: Any) -> None:
    first = await send(query="?wait=30")
    second = await send()
    assert (first.status, second.status) == (200, 200)
    assert await first.json() == await second.json()


async def test_other_parameters_are_another_task(send: Send, worker: Any) -> None:
    png = await (await send(query="?wait=30")).json()
    jpeg = await (await send(query="?wait=30", format="jpeg")).json()
    assert png["task_id"] != jpeg["task_id"]
    assert (png["url"], jpeg["url"]) == (
        "/processed/cat-upscale-x2.png",
        "/processed/cat-upscale-x2.jpg",
    )
    assert jpeg["results"][0]["format"] == "jpeg"


async def test_other_bytes_under_the_same_name_get_another_result_name(
    send: Send, client: Any, store: Store
) -> None:
    one, two = [await finished(send, store, images.png(seed=seed)) for seed in (1, 2)]
    assert one["url"] == "/processed/cat-upscale-x2.png"
    assert two["url"] == f"/processed/cat-upscale-x2-{two['task_id'][:8]}.png"
    first, second = [await (await client.get(body["url"])).read() for body in (one, two)]
    assert first != second


async def test_same_bytes_under_a_second_name_share_the_task(
    send: Send, client: Any, store: Store
) -> None:
    cat = await finished(send, store, images.png())
    response = await send(name="dog.png")
    dog = await response.json()
    assert dog["task_id"] == cat["task_id"]
    assert (dog["name"], dog["url"]) == ("dog.png", "/processed/dog-upscale-x2.png")
    assert response.headers["Location"] == f"/tasks/{cat['task_id']}?name=dog.png"
    polled = await (await client.get(response.headers["Location"])).json()
    assert polled["url"] == dog["url"]
    assert (await (await client.get(f"/tasks/{cat['task_id']}")).json())["name"] == "cat.png"
    contents = [await (await client.get(body["url"])).read() for body in (cat, dog)]
    assert contents[0] == contents[1]
    assert await count(store, "results.files") == 1


async def test_names_of_a_task_are_limited(
    client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.submissions.task_creator._MAX_NAMES", 2)
    names = []
    for name in ("a.png", "b.png", "c.png", "c.png"):
        form = images.form(images.png(), name)
        response = await client.post("/upscale", data=form)
        assert response.status == 202
        names.append((await response.json())["name"])
    assert names == ["a.png", "b.png", "a.png", "a.png"]
    assert await count(store, "names") == 2


async def test_resubmission_restarts_a_failed_task(send: Send, store: Store) -> None:
    body = await (await send()).json()
    task_id = body["task_id"]
    await store.leases.claim(task_id, worker="w", token="t", seconds=60, max_attempts=1)
    await store.leases.fail(task_id, "t", {"code": "worker_crashed", "detail": "boom"})
    again = await send()
    assert again.status == 202
    assert (await again.json())["status"] == "CREATED"
    done = await finished(send, store, images.png())
    assert done["status"] == "SUCCESS"
    assert done["error"] is None


async def test_upload_is_accepted_while_redis_is_unavailable(
    settings: Settings, aiohttp_client: Any, store: Store
) -> None:
    from standalone.embedded_stores import free_port

    without_redis = settings.replace(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    client = await aiohttp_client(create_app(without_redis))
    response = await client.post("/upscale", data=images.form(images.png(), "cat.png"))
    assert response.status == 202
    ready = await client.get("/readyz")
    assert ready.status == 503
    assert (await ready.json())["missing"] == ["redis", "workers"]
    task_id = (await response.json())["task_id"]
    task = await store.tasks.get(task_id)
    assert task is not None and not task.ended


async def test_next_request_completes_an_interrupted_submission(
    send: Send, store: Store, settings: Settings
) -> None:
    """The service died between reserving the name and inserting the task."""
    body = await (await send()).json()
    await store._database["tasks"].delete_one({"_id": body["task_id"]})
    again = await (await send()).json()
    assert again["task_id"] == body["task_id"]
    task = await store.tasks.get(body["task_id"])
    assert task is not None
    assert task.uploads[0].results == ["cat-upscale-x2.png"]


async def test_result_metadata_matches_the_file(send: Send, client: Any, worker: Any) -> None:
    body = await (await send(query="?wait=30")).json()
    (result,) = body["results"]
    data = await (await client.get(result["url"])).read()
    image = images.decoded(data)
    assert (result["width"], result["height"]) == image.size == (80, 60)
    assert (result["format"], result["bytes"]) == ("png", len(data))
    assert result["name"] == "cat-upscale-x2.png"
    assert body["started_at"] and body["finished_at"]
    assert Result.model_fields.keys() >= {"width", "height", "format", "bytes", "sha256"}
