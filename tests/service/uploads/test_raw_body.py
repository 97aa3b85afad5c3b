"""A picture as the whole body, by POST and PUT: its fields are in the query."""

from __future__ import annotations

from typing import Any

from models.settings import Settings
from service.app import create_app
from tests.service.uploads.test_incoming_file import refused
from tests.support import images

PNG, JPEG = images.png(9, 7), images.jpeg(9, 7)


async def send(
    client: Any, path: str, data: bytes = PNG, kind: str | None = "image/png", method: str = "POST"
) -> Any:
    skip = ("Content-Type",) if kind is None else ()
    head = {} if kind is None else {"Content-Type": kind}
    return await client.request(method, path, data=data, headers=head, skip_auto_headers=skip)


async def test_it_is_the_same_task_as_by_a_form(client: Any) -> None:
    form = images.form(PNG, "cat.png", sigma="3", format="webp")
    expected = await (await client.post("/blur", data=form)).json()
    path = "/blur?sigma=3&format=webp&filename=c%C3%A4t.png&wait=0"
    for kind in ("image/png", "image/jpeg; x=y", "application/octet-stream", None):
        for method in ("POST", "PUT"):
            answer = await send(client, path, PNG, kind, method)
            body = await answer.json()
            assert answer.status == 202
            assert (body["task_id"], body["name"]) == (expected["task_id"], "cät.png")


async def test_the_bytes_say_the_format(client: Any) -> None:
    body = await (await send(client, "/convert?format=jpeg", JPEG, "image/png", "PUT")).json()
    assert (body["name"], body["operations"][0]["op"]) == ("image", "convert")
    body = await (await send(client, "/convert?format=png", JPEG, "image/jpg")).json()
    assert body["operations"][0]["format"] == "png"


async def test_pipelines(client: Any) -> None:
    path = "/process?operations=resize=2&operations=grayscale"
    for method in ("POST", "PUT"):
        body = await (await send(client, path, method=method)).json()
        assert [each["op"] for each in body["operations"]] == ["resize", "grayscale"]


REFUSED = [
    ("/blur", b"RIFF1234WEBPVP8 ", "image/webp", 415, "unsupported_format", "WebP"),
    ("/blur", b"<html>", "image/png", 415, "unsupported_format", "HTML"),
    ("/blur", PNG[:20], "image/png", 422, "bad_image", ""),
    ("/blur", b"", "image/png", 400, "bad_request", ""),
    ("/blur", PNG, "text/plain", 400, "bad_request", ""),
    ("/blur?sigma=0", PNG, "image/png", 422, "bad_parameter", "sigma"),
    ("/blur?nonsense=1", PNG, "image/png", 422, "bad_parameter", "'nonsense'"),
    ("/blur?sigma=1&sigma=2", PNG, "image/png", 400, "bad_request", "'sigma' came twice"),
    ("/blur?email=x", PNG, "image/png", 422, "bad_parameter", "x"),
    ("/process?scale=2", PNG, "image/png", 422, "bad_parameter", "'scale'"),
    ("/process", PNG, "image/png", 422, "bad_parameter", "operations is empty"),
]


async def test_refused(client: Any) -> None:
    for path, data, kind, status, code, said in REFUSED:
        for method in ("POST", "PUT"):
            body = await refused(await send(client, path, data, kind, method), status, code)
            assert said in body["detail"]


async def test_fields_in_the_query_of_a_form_are_refused_as_before(client: Any) -> None:
    answer = await client.post("/blur?sigma=3", data=images.form(PNG, "cat.png"))
    body = await refused(answer, 422, "bad_parameter")
    assert "unknown query parameter 'sigma'" in body["detail"]
    answer = await client.put("/blur?sigma=3", data=images.form(PNG, "cat.png"))
    assert "curl -T" in (await refused(answer, 400, "bad_request"))["detail"]


async def test_a_large_body_is_refused_as_it_arrives(
    aiohttp_client: Any, settings: Settings
) -> None:
    client = await aiohttp_client(create_app(settings.replace(max_upload_bytes=1000)))
    start = b"\x89PNG\r\n\x1a\n"
    for size in (1001, 500_000):
        data = start.ljust(size, b"1")
        body = await refused(await send(client, "/blur", data, method="PUT"), 413, "too_large")
        assert (body["setting"], body["limit"]) == ("MAX_UPLOAD_BYTES", 1000)


async def test_a_picture_that_is_called_a_form_is_told_how_to_come(client: Any) -> None:
    """curl --data-binary says so unless it is told the type."""
    form = "application/x-www-form-urlencoded"
    for data, status, code in (
        (PNG, 400, "bad_request"),
        (PNG.ljust(300_000, b"1"), 413, "too_large"),
    ):
        body = await refused(await send(client, "/blur", data, form), status, code)
        assert "curl -T cat.png" in body["detail"]


async def test_it_needs_a_key_as_a_form_does(aiohttp_client: Any, settings: Settings) -> None:
    client = await aiohttp_client(create_app(settings.replace(api_keys="on")))
    for method in ("POST", "PUT"):
        await refused(await send(client, "/blur", method=method), 401, "unauthorized")
        answer = await client.request(method, "/blur", data=PNG, headers={"Origin": "http://evil"})
        assert answer.status in {401, 403}


async def test_the_older_calls_take_no_raw_body(client: Any) -> None:
    body = await refused(await send(client, "/convert/"), 400, "bad_request")
    assert body["measured"] == "image/png"
    assert (await send(client, "/convert/", method="PUT")).status == 405
