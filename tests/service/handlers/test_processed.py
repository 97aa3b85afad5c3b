"""GET /processed/<name>: caching headers, ranges, names, constant memory."""

from __future__ import annotations

import hashlib
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from models.store import Store
from models.tasks.task import Result
from tests.support import images
from tests.support.task_factory import finish

Send = Callable[..., Awaitable[Any]]


async def publish(store: Store, send: Send, data: Any, size: int, sha256: str) -> str:
    """Finish the task of a new upload with ``data`` as its result; return its URL."""
    body = await (await send()).json()
    task_id = body["task_id"]
    await store.leases.claim(task_id, worker="w", token="t", seconds=60, max_attempts=1)
    file_id = await store.results.put(data, "x", {"task_id": task_id, "token": "t"})
    result = Result(file_id=file_id, format="png", width=1, height=1, bytes=size, sha256=sha256)
    assert await store.leases.finish(task_id, "t", [result])
    return "/processed/cat-upscale-x2.png"


@pytest.fixture
async def done(send: Send, store: Store) -> Any:
    """A finished task, with a picture as its result; no worker runs."""
    task_id = (await (await send()).json())["task_id"]
    await finish(store, task_id, images.png(80, 60))
    return await (await send()).json()


async def test_full_response_headers(client: Any, send: Send, worker: Any) -> None:
    done = await (await send(query="?wait=30")).json()
    response = await client.get(done["url"])
    data = await response.read()
    digest = hashlib.sha256(data).hexdigest()
    assert response.status == 200
    assert digest == done["results"][0]["sha256"]
    assert response.headers["ETag"] == f'"{digest}"'
    assert response.headers["Content-Length"] == str(len(data))
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Accept-Ranges"] == "bytes"
    disposition = response.headers["Content-Disposition"]
    assert disposition == 'inline; filename="cat-upscale-x2.png"'
    assert "Server" not in response.headers
    assert response.headers["X-Request-ID"]


async def test_download_parameter(client: Any, done: Any) -> None:
    response = await client.get(done["url"] + "?download=1")
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert (await client.get(done["url"] + "?download=x")).status == 422


async def test_head_has_the_headers_of_get(client: Any, done: Any) -> None:
    head, get = await client.head(done["url"]), await client.get(done["url"])
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control"):
        assert head.headers[name] == get.headers[name]
    assert (head.status, await head.read()) == (200, b"")


async def test_if_none_match(client: Any, done: Any) -> None:
    etag = (await client.get(done["url"])).headers["ETag"]
    for header in (etag, f'"x", {etag}', "*", f"W/{etag}"):
        response = await client.get(done["url"], headers={"If-None-Match": header})
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == etag
    other = await client.get(done["url"], headers={"If-None-Match": '"x"'})
    assert other.status == 200


def shifted(date: str, seconds: int) -> str:
    moved = parsedate_to_datetime(date) + timedelta(seconds=seconds)
    return format_datetime(moved, usegmt=True)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_if_match_and_if_unmodified_since(client: Any, done: Any, method: str) -> None:
    headers = (await client.get(done["url"])).headers
    etag, made = headers["ETag"], headers["Last-Modified"]
    earlier, later = shifted(made, -1), shifted(made, 1)
    for given, status in (
        ({"If-Match": etag}, 200),
        ({"If-Match": f'"x", {etag}'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Match": f"W/{etag}"}, 412),
        ({"If-Match": '"x"', "If-None-Match": etag}, 412),
        ({"If-Match": '"x"', "If-Unmodified-Since": later}, 412),
        ({"If-Match": '"x"', "Range": "bytes=0-1"}, 412),
        ({"If-Match": etag, "If-None-Match": etag}, 304),
        ({"If-Match": etag, "If-Unmodified-Since": earlier}, 200),
        ({"If-Match": etag, "Range": "bytes=0-1"}, 206),
        ({"If-Unmodified-Since": made}, 200),
        ({"If-Unmodified-Since": later}, 200),
        ({"If-Unmodified-Since": earlier}, 412),
        ({"If-Unmodified-Since": "yesterday"}, 200),
    ):
        response = await client.request(method, done["url"], headers=given)
        assert response.status == status, given
    body = await client.get(done["url"], headers={"If-Match": '"x"'})
    assert (await body.json())["measured"] == etag
    body = await client.get(done["url"], headers={"If-Unmodified-Since": earlier})
    assert ((await body.json())["code"], (await body.json())["measured"]) == ("changed", made)


async def test_if_modified_since(client: Any, done: Any) -> None:
    made = (await client.get(done["url"])).headers["Last-Modified"]
    for given, status in (
        ({"If-Modified-Since": made}, 304),
        ({"If-Modified-Since": shifted(made, -1)}, 200),
        ({"If-Modified-Since": made, "If-None-Match": '"x"'}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
    ):
        assert (await client.get(done["url"], headers=given)).status == status, given


async def test_range_requests(client: Any, done: Any) -> None:
    whole = await (await client.get(done["url"])).read()
    for header, start, stop in (
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=3-99999999", 3, None),
    ):
        response = await client.get(done["url"], headers={"Range": header})
        part = await response.read()
        assert (response.status, part) == (206, whole[start:stop]), header
        first = start % len(whole)
        expected = f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
        assert response.headers["Content-Range"] == expected, header
        assert response.headers["Content-Length"] == str(len(part)), header


async def test_unsatisfiable_range(client: Any, done: Any) -> None:
    size = done["results"][0]["bytes"]
    assert (await client.get(done["url"], headers={"Range": "bytes=-0"})).status == 416
    response = await client.get(done["url"], headers={"Range": f"bytes={size}-"})
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{size}"
    assert (await response.json())["measured"] == size


async def test_unsupported_ranges_get_the_full_response(client: Any, done: Any) -> None:
    for header in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-2", "bytes=x", "bytes="):
        response = await client.get(done["url"], headers={"Range": header})
        assert response.status == 200, header


async def test_if_range(client: Any, done: Any) -> None:
    etag = (await client.get(done["url"])).headers["ETag"]
    same = await client.get(done["url"], headers={"Range": "bytes=0-1", "If-Range": etag})
    other = await client.get(done["url"], headers={"Range": "bytes=0-1", "If-Range": '"x"'})
    assert (same.status, other.status) == (206, 200)


async def test_upload_name_serves_the_newest_result(
    client: Any, send: Send, done: Any, store: Store
) -> None:
    response = await client.get("/processed/cat.png")
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["ETag"] == f'"{done["results"][0]["sha256"]}"'
    assert 'filename="cat-upscale-x2.png"' in response.headers["Content-Disposition"]
    newer = await (await send(images.png(seed=5))).json()
    newer = await finish(store, newer["task_id"], images.png(seed=6))
    response = await client.get("/processed/cat.png")
    assert response.headers["ETag"] == f'"{newer.results[0].sha256}"'


async def test_unknown_names_are_404(client: Any) -> None:
    for name in ("nope.png", "..%2f..%2fetc%2fpasswd", "%00", "$ne", "a" * 3000, "{}"):
        response = await client.get(f"/processed/{name}")
        assert response.status == 404, name
        assert (await response.json())["code"] == "not_found", name


async def test_unfinished_result_is_404_with_the_task_id(client: Any, send: Send) -> None:
    body = await (await send()).json()
    response = await client.get("/processed/cat-upscale-x2.png")
    assert response.status == 404
    problem = await response.json()
    assert (problem["code"], problem["task_id"]) == ("not_ready", body["task_id"])


async def test_names_with_special_characters(client: Any, store: Store) -> None:
    form = images.form(images.png(seed=9), "my cat (1) + dog.png")
    # aiohttp's client percent-encodes the name, so the service gets it encoded
    body = await (await client.post("/upscale", data=form)).json()
    await finish(store, body["task_id"])
    body = await (await client.get(f"/tasks/{body['task_id']}")).json()
    response = await client.get(body["url"])
    assert response.status == 200


async def test_memory_is_constant(client: Any, send: Send, store: Store) -> None:
    size = 64 * 1024 * 1024
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        url = await publish(store, send, file, size, "e" * 64)
    tracemalloc.start()
    try:
        response = await client.get(url)
        got = 0
        async for data in response.content.iter_chunked(65536):
            got += len(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == size
    assert peak < 16 * 1024 * 1024


async def test_missing_file_is_500(client: Any, send: Send, store: Store) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100)
        file.seek(0)
        url = await publish(store, send, file, 100, "e" * 64)
    await store._database["results.chunks"].delete_many({})
    response = await client.get(url)
    assert response.status == 500
    assert (await response.json())["code"] == "internal"


async def test_connection_is_cut_when_the_file_is_incomplete(
    client: Any, send: Send, store: Store
) -> None:
    """An error document after the headers would be appended to the image."""
    size = 3 * 1024 * 1024
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        url = await publish(store, send, file, size, "e" * 64)
    await store._database["results.chunks"].delete_one({"n": 2})
    response = await client.get(url)
    assert response.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await response.read()


async def test_content_disposition(client: Any) -> None:
    response = await client.get("/processed/nope")
    assert response.status == 404
    from service.handlers.processed import _disposition

    assert _disposition("inline", "a b (1).png") == 'inline; filename="a b (1).png"'
    assert _disposition("inline", "猫.png") == (
        "inline; filename=\"_.png\"; filename*=UTF-8''%E7%8C%AB.png"
    )


async def test_empty_store_has_no_results(client: Any) -> None:
    assert (await client.get("/processed/cat.png")).status == 404
