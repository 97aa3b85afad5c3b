"""What may be uploaded, and how each refusal says what would pass."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from PIL import Image

from models.settings import Settings
from service.app import create_app
from tests import pictures

Send = Callable[..., Awaitable[Any]]


async def refused(response: Any, status: int, code: str) -> Any:
    body = await response.json(content_type="application/problem+json")
    assert (response.status, body["code"]) == (status, code), body
    assert body["status"] == status
    assert body["error"] == body["detail"]
    assert body["title"]
    assert body["type"].endswith(code)
    assert response.headers["X-Request-ID"]
    return body


async def test_accepted(send: Send) -> None:
    response = await send(pictures.png(), "cat.png")
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
        "operations": [{"op": "upscale", "scale": 2, "model": "darkroom-fast"}],
        "created_at": None,
        "started_at": None,
        "finished_at": None,
        "error": None,
    }
    assert body["created_at"].endswith("Z")


async def test_bytes_decide_whatever_the_name_says(send: Send) -> None:
    assert (await send(pictures.jpeg(), "cat.png")).status == 202
    assert (await send(pictures.png(), "cat.txt")).status == 202
    body = await refused(await send(b"hello", "cat.png"), 415, "unsupported_format")
    assert body["accepted"] == ["png", "jpeg"]


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF"])
async def test_other_formats(send: Send, kind: str) -> None:
    data = pictures.encoded(Image.fromarray(pictures.scene()), kind)
    body = await refused(await send(data), 415, "unsupported_format")
    assert "send PNG or JPEG" in body["detail"]
    assert body["measured"].upper() == kind


@pytest.mark.parametrize("data", [b"<svg xmlns='x'/>", b"just some text, quite long"])
async def test_text(send: Send, data: bytes) -> None:
    await refused(await send(data), 415, "unsupported_format")


async def test_truncated(send: Send) -> None:
    for data in (pictures.png(), pictures.jpeg()):
        body = await refused(await send(data[:-30]), 422, "bad_image")
        assert "truncated" in body["detail"]


async def test_empty(send: Send) -> None:
    body = await refused(await send(b""), 400, "bad_request")
    assert "empty" in body["detail"]


async def test_missing_field(client: Any) -> None:
    form = aiohttp.FormData({"scale": "2"}, default_to_multipart=True)
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "-F image=@" in body["detail"]
    assert "'scale'" in body["detail"]


async def test_picture_in_another_field(client: Any) -> None:
    form = aiohttp.FormData()
    form.add_field("photo", pictures.png(), filename="a.png")
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "'photo'" in body["detail"] and "'image'" in body["detail"]


async def test_picture_as_text(client: Any) -> None:
    form = aiohttp.FormData({"image": "cat.png"}, default_to_multipart=True)
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "put @ before" in body["detail"]


async def test_two_pictures(client: Any) -> None:
    form = pictures.form(pictures.png(), "a.png")
    form.add_field("image", pictures.png(), filename="b.png")
    await refused(await client.post("/upscale", data=form), 400, "bad_request")


async def test_unknown_fields_and_values(send: Send) -> None:
    body = await refused(await send(color="red", size="3"), 422, "bad_parameter")
    assert "unknown field 'color'; known: scale, model" in body["detail"]
    assert "'size'" in body["detail"]
    body = await refused(await send(scale="3"), 422, "bad_parameter")
    assert body["known"] == [2]
    body = await refused(await send(model="nope"), 422, "bad_parameter")
    assert "darkroom-fast" in body["known"]
    for scale in ("1", "16"):
        body = await refused(await send(scale=scale), 422, "bad_parameter")
        assert (body["parameter"], body["known"]) == ("scale", [2])
    body = await refused(await send(format="gif"), 422, "bad_parameter")
    assert body["known"] == ["png", "jpeg"]


async def test_duplicate_field(client: Any) -> None:
    form = pictures.form(pictures.png(), "a.png", scale="2")
    form.add_field("scale", "2")
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "'scale' came twice" in body["detail"]


async def test_no_form(client: Any) -> None:
    for kind in ("application/json", "image/png", "multipart/form-data"):
        response = await client.post("/upscale", data=b"{}", headers={"Content-Type": kind})
        await refused(response, 400, "bad_request")


async def test_broken_and_nested_multipart(client: Any) -> None:
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    inner = b'--y\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--y--\r\n'
    nested = (
        b'--x\r\nContent-Disposition: form-data; name="image"\r\n'
        b"Content-Type: multipart/mixed; boundary=y\r\n\r\n" + inner + b"\r\n--x--\r\n"
    )
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    unfinished = start + pictures.png()
    for data in (b"no boundary at all", b"--x\r\nno header", nested, unfinished, b""):
        response = await client.post("/upscale", data=data, headers=head)
        await refused(response, 400, "bad_request")


async def limited(aiohttp_client: Any, settings: Settings, **changes: Any) -> Any:
    return await aiohttp_client(create_app(settings.model_copy(update=changes)))


async def test_limit_of_bytes(aiohttp_client: Any, settings: Settings) -> None:
    data = pictures.png(60, 60)
    exact = await limited(aiohttp_client, settings, max_upload_bytes=len(data))
    assert (await exact.post("/upscale", data=pictures.form(data, "a.png"))).status == 202
    client = await limited(aiohttp_client, settings, max_upload_bytes=len(data) - 1)
    response = await client.post("/upscale", data=pictures.form(data, "a.png"))
    body = await refused(response, 413, "too_large")
    assert body["setting"] == "MAX_UPLOAD_BYTES"
    assert body["limit"] == len(data) - 1
    assert body["measured"] >= len(data)


async def test_limit_of_bytes_holds_for_a_body_of_unknown_length(
    aiohttp_client: Any, settings: Settings
) -> None:
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
        pass  # the service answered and hung up while this client still wrote
    assert sent < 20_000_000


async def test_limit_of_pixels(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_pixels=1199)
    response = await client.post("/upscale", data=pictures.form(pictures.png(40, 30), "a.png"))
    body = await refused(response, 422, "too_many_pixels")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_PIXELS", 1199, 1200)
    assert "40 x 30" in body["detail"]


async def test_limit_of_output_pixels(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_output_pixels=4799)
    response = await client.post("/upscale", data=pictures.form(pictures.png(40, 30), "a.png"))
    body = await refused(response, 422, "too_many_pixels")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_OUTPUT_PIXELS", 4799, 4800)


async def test_pixel_bomb(send: Send) -> None:
    bomb = pictures.encoded(Image.new("1", (20000, 20000)))
    assert len(bomb) < 100_000
    await refused(await send(bomb), 422, "too_many_pixels")


async def test_limit_of_fields(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_fields=3, max_field_bytes=10)
    many = pictures.form(pictures.png(), "a.png", a="1", b="2", c="3")
    body = await refused(await client.post("/upscale", data=many), 400, "bad_request")
    assert (body["setting"], body["limit"]) == ("MAX_FIELDS", 3)
    long = pictures.form(pictures.png(), "a.png", scale="2" * 11)
    body = await refused(await client.post("/upscale", data=long), 413, "too_large")
    assert (body["setting"], body["limit"]) == ("MAX_FIELD_BYTES", 10)


async def drip(client: Any, data: list[bytes], pause: asyncio.Event) -> Any:
    async def body() -> Any:
        for part in data:
            yield part
        await pause.wait()

    head = {"Content-Type": "multipart/form-data; boundary=x"}
    return await client.post("/upscale", data=body(), headers=head)


async def test_stalled_upload(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, upload_grace=0.2, upload_min_rate=1_000_000)
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    response = await drip(client, [start, b"\x89PNG"], asyncio.Event())
    body = await refused(response, 408, "too_slow")
    assert "UPLOAD_MIN_RATE" in body["detail"]
    assert body["min_rate"] == 1_000_000


async def test_stalled_before_the_first_part(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, upload_grace=0.2)
    response = await drip(client, [b"--x\r\nContent-"], asyncio.Event())
    await refused(response, 408, "too_slow")


async def test_upload_that_takes_too_long(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, upload_timeout=0.2)
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    response = await drip(client, [start, b"\x89PNG\r\n\x1a\n" + bytes(50_000)], asyncio.Event())
    body = await refused(response, 408, "too_slow")
    assert body["limit"] == 0.2


async def raw(client: Any, name: str) -> Any:
    """Upload with the name as curl and browsers send it: UTF-8, neither quoted nor checked."""
    data = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + pictures.png()
        + b"\r\n--x--\r\n"
    )
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/upscale", data=data, headers=head)
    assert response.status == 202
    assert "Set-Cookie" not in response.headers
    return (await response.json())["name"]


async def test_names_as_clients_send_them(client: Any) -> None:
    assert await raw(client, "котик 猫.png") == "котик 猫.png"
    assert await raw(client, "../../etc/passwd") == "passwd"
    assert await raw(client, "x\\\\..\\\\y.png") == "y.png"
    assert await raw(client, "%2e%2e%2fcat.png") == "_2e_2e_2fcat.png"
    assert len(await raw(client, "x" * 300 + ".png")) == 100


async def test_accept_100_continue_is_not_needed(client: Any) -> None:
    buffer = io.BytesIO(pictures.png())
    form = aiohttp.FormData()
    form.add_field("image", buffer, filename="a.png")
    response = await client.post("/upscale", data=form, headers={"Expect": "100-continue"})
    assert response.status == 202


async def test_compressed_bodies_and_preambles_are_refused(client: Any) -> None:
    """Sixty kilobytes that unfold into a hundred megabytes of line ends must not cost seconds."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        + pictures.png()
        + b"\r\n--x--\r\n"
    )
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    packed = gzip.compress(b"\r\n" * 5_000_000 + body, 9)
    gzipped = {**head, "Content-Encoding": "gzip"}
    await refused(await client.post("/upscale", data=packed, headers=gzipped), 400, "bad_request")
    response = await client.post("/upscale", data=b"hello\r\n" + body, headers=head)
    await refused(response, 400, "bad_request")
    assert (await client.post("/upscale", data=body, headers=head)).status == 202


@pytest.mark.parametrize("kind", ["boundary=\u20ac", "x=\u20ac; boundary=x", "boundary=", ""])
async def test_content_types_that_are_no_text(client: Any, kind: str) -> None:
    head = {"Content-Type": f"multipart/form-data; {kind}"}
    await refused(await client.post("/upscale", data=b"x", headers=head), 400, "bad_request")


async def test_field_names_that_are_no_text(client: Any) -> None:
    data = b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n1\r\n--x--\r\n'
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    await refused(await client.post("/upscale", data=data, headers=head), 400, "bad_request")


async def test_parameters_in_the_query_are_not_silently_ignored(send: Send) -> None:
    body = await refused(await send(query="?scale=3"), 422, "bad_parameter")
    assert "form fields" in body["detail"]


async def test_sides_the_format_cannot_hold_are_refused_before_any_work(send: Send) -> None:
    long = pictures.encoded(Image.new("L", (1, 40_000)))
    body = await refused(await send(long, format="jpeg"), 422, "too_many_pixels")
    assert (body["measured"], body["limit"]) == (80_000, 65_500)
    assert (await send(long)).status == 202
    assert (await send(pictures.png(), format="PNG")).status == 202
