"""DELETE /processed/<name>: which name is deleted, when the file is, and resubmission."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from models.settings import Settings
from models.store import Store
from tests.support import images
from tests.support.task_factory import age, findings, finish, got, stored
from workers.background.housekeeping import delete_expired

Send = Callable[..., Awaitable[Any]]
URL = "/processed/cat-upscale-x2.png"
OTHER = "/processed/dog-upscale-x2.png"


@pytest.fixture
async def done(send: Send, store: Store) -> str:
    task_id: str = (await (await send()).json())["task_id"]
    await finish(store, task_id)
    return task_id


async def test_delete_and_file_removal(
    client: Any, done: str, store: Store, settings: Settings
) -> None:
    response = await client.delete(URL)
    assert (response.status, await response.read()) == (204, b"")
    for method in ("GET", "HEAD", "DELETE"):
        assert (await client.request(method, URL)).status == 404
    assert (await client.get("/processed/cat.png")).status == 404
    shown = await (await client.get(f"/tasks/{done}")).json()
    assert (shown["status"], shown["url"]) == ("SUCCESS", None)
    assert shown["results"][0]["gone"]["reason"] == "deleted"
    seen = await client.get(f"/tasks/{done}?redirect=1", allow_redirects=False)
    assert seen.status == 404
    await delete_expired(settings.retention, store)
    assert await stored(store, "results") == (1, 1)  # the grace period
    await age(store)
    await delete_expired(settings.retention, store)
    assert await stored(store, "results") == (0, 0)
    assert await findings(store) == []


async def test_resubmission_computes_a_deleted_result_again(
    client: Any, send: Send, done: str, store: Store
) -> None:
    await client.delete(URL)
    again = await send()
    assert (again.status, (await again.json())["status"]) == (202, "CREATED")
    assert (await got(store, done)).deleted == []
    assert (await client.get(URL)).status == 404
    await finish(store, done, b"anew")
    assert await (await client.get(URL)).read() == b"anew"
    assert await findings(store) == []


async def test_retry_computes_a_deleted_result_again(client: Any, done: str, store: Store) -> None:
    await client.delete(URL)
    assert (await client.post(f"/tasks/{done}/retry")).status == 202
    await finish(store, done)
    assert (await client.get(URL)).status == 200


async def test_file_is_deleted_with_its_last_name(
    client: Any, send: Send, done: str, store: Store
) -> None:
    assert (await (await send(name="dog.png")).json())["url"] == OTHER
    assert (await client.delete(URL)).status == 204
    assert (await client.get(URL)).status == 404
    assert (await client.get(OTHER)).status == 200
    assert not (await got(store, done)).results_lost
    shown = await (await client.get(f"/tasks/{done}?name=dog.png")).json()
    assert shown["url"] == OTHER
    # Resubmitted under the deleted name: the result is reused, nothing is computed.
    again = await send()
    assert (again.status, (await again.json())["url"]) == (200, URL)
    assert (await client.get(URL)).status == 200
    for url in (URL, OTHER):
        assert (await client.delete(url)).status == 204
    assert (await got(store, done)).results_lost


async def test_delete_one_of_several_results(client: Any, store: Store) -> None:
    form = images.form(images.png(), "cat.png")
    body = await (await client.post("/split", data=form)).json()
    await finish(store, body["task_id"], *(f"part {n}".encode() for n in range(4)))
    assert (await client.delete("/processed/cat-split-2.png")).status == 204
    shown = await (await client.get(f"/tasks/{body['task_id']}")).json()
    urls = [result["url"] for result in shown["results"]]
    assert urls == [f"/processed/cat-split-{n}.png" if n != 2 else None for n in (1, 2, 3, 4)]
    assert (await client.get("/processed/cat-split-3.png")).status == 200
    archive = await client.get(f"/status/{body['task_id']}/archive")
    data = await archive.read()
    assert b"part 0" in data and b"part 1" not in data and b"1 of its results" in data
    form = images.form(images.png(), "cat.png")
    again = await client.post("/split", data=form)
    assert (again.status, (await again.json())["status"]) == (202, "CREATED")
    assert len((await got(store, body["task_id"])).waste) == 4
    assert await findings(store) == []


async def test_unfinished_result_cannot_be_deleted(client: Any, send: Send, store: Store) -> None:
    body = await (await send()).json()
    response = await client.delete(URL)
    refused = await response.json()
    assert (response.status, refused["code"]) == (409, "wrong_status")
    assert refused["measured"] == "CREATED"
    assert f"DELETE /tasks/{body['task_id']}" in refused["detail"]
    await client.delete(f"/tasks/{body['task_id']}")
    response = await client.delete(URL)
    assert (response.status, (await response.json())["code"]) == (404, "not_ready")


async def test_upload_name_is_refused_and_the_result_name_suggested(
    client: Any, done: str, store: Store
) -> None:
    response = await client.delete("/processed/cat.png")
    refused = await response.json()
    assert (response.status, refused["code"]) == (404, "not_found")
    assert refused["results"] == [URL]
    assert f"DELETE {URL}" in refused["detail"]
    assert (await client.get(URL)).status == 200
    await client.delete(URL)
    refused = await (await client.delete("/processed/cat.png")).json()
    assert "results" not in refused


@pytest.mark.parametrize("name", ["nope.png", "..%2f..%2fetc", "%00", "$ne", "{}", "a" * 3000])
async def test_unknown_names_are_404(client: Any, name: str) -> None:
    response = await client.delete(f"/processed/{name}")
    assert (response.status, (await response.json())["code"]) == (404, "not_found")


async def test_if_match(client: Any, done: str, store: Store) -> None:
    etag = (await client.get(URL)).headers["ETag"]
    response = await client.delete(URL, headers={"If-Match": '"another"'})
    refused = await response.json()
    assert (response.status, refused["code"], refused["measured"]) == (412, "changed", etag)
    assert (await client.get(URL)).status == 200
    assert (await client.delete(URL, headers={"If-Match": f"W/{etag}"})).status == 412
    assert (await client.delete(URL, headers={"If-Match": f'"x", {etag}'})).status == 204
    assert (await client.delete(URL, headers={"If-Match": etag})).status == 404


async def test_query_is_refused(client: Any, done: str) -> None:
    assert (await client.delete(f"{URL}?force=1")).status == 422
    assert (await client.get(URL)).status == 200


async def test_expired_result_can_be_deleted(
    client: Any, done: str, store: Store, settings: Settings
) -> None:
    await age(store)
    await delete_expired(settings.replace(result_ttl=60).retention, store)
    assert (await client.get(URL)).status == 410
    assert (await client.delete(URL, headers={"If-Match": "*"})).status == 412
    assert (await client.delete(URL)).status == 204
    assert (await client.get(URL)).status == 404


async def test_upload_name_serves_the_newest_remaining_result(
    client: Any, send: Send, store: Store
) -> None:
    urls = []
    for seed in range(3):
        body = await (await send(images.png(seed=seed))).json()
        task = await finish(store, body["task_id"], f"{seed}".encode())
        urls.append(f"/processed/{task.uploads[0].results[0]}")
    for remaining in (b"2", b"1", b"0"):
        assert await (await client.get("/processed/cat.png")).read() == remaining
        assert (await client.delete(urls[int(remaining)])).status == 204
    assert (await client.get("/processed/cat.png")).status == 404


async def test_only_one_of_concurrent_deletes_succeeds(
    client: Any, done: str, store: Store
) -> None:
    responses = await asyncio.gather(*(client.delete(URL) for _ in range(8)))
    assert sorted(answer.status for answer in responses) == [204] + [404] * 7
    assert len((await got(store, done)).waste) == 1


async def test_concurrent_delete_and_resubmission_under_another_name(
    client: Any, send: Send, store: Store
) -> None:
    """Either the new name keeps the result, or it is computed again; no URL is dead."""
    for number in range(12):
        data = images.png(seed=number)
        body = await (await send(data, f"a{number}.png")).json()
        await finish(store, body["task_id"])
        deleted, sent = await asyncio.gather(
            client.delete(f"/processed/a{number}-upscale-x2.png"), send(data, f"b{number}.png")
        )
        assert deleted.status in {204, 409}
        answer = await sent.json()
        if answer["status"] == "SUCCESS":
            assert (await client.get(answer["url"])).status == 200
        else:
            assert (answer["status"], answer["url"]) == ("CREATED", None)
        task = await got(store, body["task_id"])
        assert not task.results_lost
    assert await findings(store) == []
