"""Which uploads are accepted, and what the errors of refused ones say."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from PIL import Image

from models.settings import Settings
from service.app import create_app
from tests.support import images

Send = Callable[..., Awaitable[Any]]


async def refused(response: Any, status: int, code: str) -> Any:
    body = await response.json(content_type="application/problem+json")
    assert (response.status, body["code"]) == (status, code), body
    assert body["status"] == status
    assert list(body)[:5] == ["type", "title", "status", "detail", "code"]
    assert "error" not in body  # it would be the detail once more
    assert body["title"]
    assert body["type"].endswith(code)
    assert response.headers["X-Request-ID"]
    return body


async def test_valid_upload_creates_a_task(send: Send) -> None:
    response = await send(images.png(), "cat.png")
    body = await response.json()
    assert response.status == 202
    assert response.headers["Location"] == f"/tasks/{body['task_id']}"
    assert {**body, "created_at": None} == {
        "task_id": body["task_id"],
        "group_id": body["task_id"],
        "status": "CREATED",
        "progress": 0,
        "name": "cat.png",
        "url": None,
        "results": [],
        "operations": [{"op": "upscale", "scale": 2, "model": "darkroom-balanced"}],
        "created_at": None,
        "started_at": None,
        "finished_at": None,
        "error": None,
        "report": None,
        "eta_seconds": None,  # there is no worker
    }
    assert body["created_at"].endswith("Z")


async def test_format_is_detected_from_bytes_not_name(send: Send) -> None:
    assert (await send(images.jpeg(), "cat.png")).status == 202
    assert (await send(images.png(), "cat.txt")).status == 202
    body = await refused(await send(b"hello", "cat.png"), 415, "unsupported_format")
    assert body["accepted"] == ["png", "jpeg"]


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF"])
async def test_other_image_formats_are_refused(send: Send, kind: str) -> None:
    data = images.encoded(Image.fromarray(images.scene()), kind)
    body = await refused(await send(data), 415, "unsupported_format")
    assert "send PNG or JPEG" in body["detail"]
    assert body["measured"].upper() == kind


@pytest.mark.parametrize("data", [b"<svg xmlns='x'/>", b"just some text, quite long"])
async def test_text_is_refused(send: Send, data: bytes) -> None:
    await refused(await send(data), 415, "unsupported_format")


async def test_truncated_image_is_refused(send: Send) -> None:
    for data in (images.png()[:40], images.jpeg()[:200]):
        body = await refused(await send(data), 422, "bad_image")
        assert "truncated" in body["detail"]


async def test_empty_file_is_refused(send: Send) -> None:
    body = await refused(await send(b""), 400, "bad_request")
    assert "empty" in body["detail"]


async def test_unknown_fields_and_values_are_refused(send: Send) -> None:
    body = await refused(await send(color="red", size="3"), 422, "bad_parameter")
    assert "unknown field 'color'; known: scale, quality, model" in body["detail"]
    assert "'size'" in body["detail"]
    body = await refused(await send(scale="5"), 422, "bad_parameter")
    assert body["known"] == [2, 3, 4]
    body = await refused(await send(model="nope"), 422, "bad_parameter")
    assert "darkroom-fast" in body["known"]
    for scale in ("1", "16"):
        body = await refused(await send(scale=scale), 422, "bad_parameter")
        assert (body["parameter"], body["known"]) == ("scale", [2, 3, 4])
    body = await refused(await send(format="tiff"), 422, "bad_parameter")
    assert body["known"] == ["png", "jpeg", "webp", "avif", "gif", "auto"]
    body = await refused(await send(format="gif"), 422, "bad_parameter")
    assert "animations only" in body["detail"]


async def limited(aiohttp_client: Any, settings: Settings, **changes: Any) -> Any:
    return await aiohttp_client(create_app(settings.replace(**changes)))


async def test_max_upload_bytes(aiohttp_client: Any, settings: Settings) -> None:
    data = images.png(60, 60)
    exact = await limited(aiohttp_client, settings, max_upload_bytes=len(data))
    assert (await exact.post("/upscale", data=images.form(data, "a.png"))).status == 202
    client = await limited(aiohttp_client, settings, max_upload_bytes=len(data) - 1)
    response = await client.post("/upscale", data=images.form(data, "a.png"))
    body = await refused(response, 413, "too_large")
    assert body["setting"] == "MAX_UPLOAD_BYTES"
    assert body["limit"] == len(data) - 1
    assert body["measured"] >= len(data)


async def test_max_upload_bytes_of_a_chunked_body(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_upload_bytes=100_000)
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        while sent < 50_000_000:
            sent += 65536
            yield b"\x89PNG\r\n\x1a\n" + bytes(65528)

    head = {"Content-Type": "multipart/form-data; boundary=x"}
    try:
        response = await client.post("/upscale", data=endless(), headers=head)
        await refused(response, 413, "too_large")
    except aiohttp.ClientConnectionError:
        pass  # the service responded and closed while this client still sent
    assert sent < 20_000_000


async def test_max_pixels(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_pixels=1199)
    response = await client.post("/upscale", data=images.form(images.png(40, 30), "a.png"))
    body = await refused(response, 422, "too_many_pixels")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_PIXELS", 1199, 1200)
    assert "40 x 30" in body["detail"]


async def test_max_output_pixels(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_output_pixels=4799)
    response = await client.post("/upscale", data=images.form(images.png(40, 30), "a.png"))
    body = await refused(response, 422, "too_many_pixels")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_OUTPUT_PIXELS", 4799, 4800)


async def test_decompression_bomb_is_refused(send: Send) -> None:
    bomb = images.encoded(Image.new("1", (20000, 20000)))
    assert len(bomb) < 100_000
    await refused(await send(bomb), 422, "too_many_pixels")


def part(name: str) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode()


async def drip(client: Any, data: list[bytes], pause: asyncio.Event, path: str = "/upscale") -> Any:
    async def body() -> Any:
        for part in data:
            yield part
        await pause.wait()

    head = {"Content-Type": "multipart/form-data; boundary=x"}
    return await client.post(path, data=body(), headers=head)


async def test_slow_upload_is_refused(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(
        aiohttp_client, settings, upload_stall_timeout=1.2, upload_min_rate=1_000_000
    )
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    response = await drip(client, [start, b"\x89PNG"], asyncio.Event())
    body = await refused(response, 408, "too_slow")
    assert "UPLOAD_MIN_RATE" in body["detail"]
    assert body["min_rate"] == 1_000_000


async def test_upload_that_stalls_before_its_first_part_is_refused(
    aiohttp_client: Any, settings: Settings
) -> None:
    client = await limited(aiohttp_client, settings, upload_stall_timeout=1.2)
    response = await drip(client, [b"--x\r\nContent-"], asyncio.Event())
    await refused(response, 408, "too_slow")


async def test_upload_timeout(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, upload_timeout=0.2)
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    response = await drip(client, [start, b"\x89PNG\r\n\x1a\n" + bytes(50_000)], asyncio.Event())
    body = await refused(response, 408, "too_slow")
    assert body["limit"] == 0.2


async def test_fast_start_does_not_pay_for_dribbling_later(
    aiohttp_client: Any, settings: Settings
) -> None:
    client = await limited(aiohttp_client, settings, upload_stall_timeout=0.4, upload_min_rate=1000)
    sent = 0

    async def body() -> Any:
        nonlocal sent
        yield part("a.png") + images.png() + bytes(100_000)  # for 100 s at the minimum rate
        while sent < 100:
            sent += 1
            await asyncio.sleep(0.05)
            yield b"a"

    head = {"Content-Type": "multipart/form-data; boundary=x"}
    problem = await refused(await client.post("/blur", data=body(), headers=head), 408, "too_slow")
    assert "UPLOAD_MIN_RATE" in problem["detail"] and "UPLOAD_STALL_TIMEOUT" in problem["detail"]
    assert sent < 100


async def test_form_without_a_picture_ends_early(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_upload_bytes=60_000)
    junk = part("a.gif") + b"GIF89a" + bytes(40_000) + b"\r\n"
    body = await refused(
        await drip(client, [junk, junk], asyncio.Event()), 415, "unsupported_format"
    )
    assert body["measured"] == "GIF"
    one = [junk.replace(b"image", b"uploaded_file")]
    response = await drip(client, one, asyncio.Event(), "/convert/")
    await refused(response, 415, "unsupported_format")
    picture = part("a.png") + images.png() + b"\r\n"
    ended = asyncio.Event()
    ended.set()
    response = await drip(client, [picture, junk, junk, b"--x--\r\n"], ended)
    assert response.status == 202
    assert [task["status"] for task in (await response.json())["tasks"]] == [
        "CREATED",
        "FAILURE",
        "FAILURE",
    ]


async def test_expect_100_continue(client: Any) -> None:
    buffer = io.BytesIO(images.png())
    form = aiohttp.FormData()
    form.add_field("image", buffer, filename="a.png")
    response = await client.post("/upscale", data=form, headers={"Expect": "100-continue"})
    assert response.status == 202


async def test_operation_parameters_in_the_query_are_refused(send: Send) -> None:
    body = await refused(await send(query="?scale=3"), 422, "bad_parameter")
    assert "form fields" in body["detail"]


async def test_result_sides_above_the_format_maximum_are_refused(send: Send) -> None:
    long = images.encoded(Image.new("L", (1, 40_000)))
    body = await refused(await send(long, format="jpeg"), 422, "too_many_pixels")
    assert (body["measured"], body["limit"]) == (80_000, 65_500)
    assert (await send(long)).status == 202
    assert (await send(images.png(), format="PNG")).status == 202
