"""Submissions as JSON: pictures in base64, and what is refused; long texts never stay in memory."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from models.settings import Settings
from service.app import create_app
from service.http.request_body import MAX_FIELD_BYTES
from tests.service.uploads.test_incoming_file import refused
from tests.support import images

SMALL, LARGE = images.png(9, 7), images.png(90, 70)  # below and above MAX_FIELD_BYTES as base64
KIND = {"Content-Type": "application/json"}


def url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


async def post(client: Any, document: Any, path: str = "/blur") -> Any:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await client.post(path, data=data, headers=KIND)


async def task(client: Any, document: Any, path: str = "/blur", status: int = 202) -> Any:
    answer = await post(client, document, path)
    body = await answer.json()
    assert answer.status == status, body
    return body


async def test_the_same_picture_and_fields_are_the_same_task_in_every_body(client: Any) -> None:
    assert len(base64.b64encode(LARGE)) > MAX_FIELD_BYTES
    for data in (SMALL, LARGE):
        sent = await client.post("/blur", data=images.form(data, "cat.png", sigma="3"))
        expected = (await sent.json())["task_id"]
        plain = base64.b64encode(data).decode()
        for image in (url(data), plain, [plain], base64.urlsafe_b64encode(data).decode()):
            body = await task(client, {"image": image, "sigma": 3, "filename": "cat.png"})
            assert (body["task_id"], body["name"]) == (expected, "cat.png")


async def test_escapes_of_other_encoders(client: Any) -> None:
    """PHP writes \\/, .NET \\u002B; `base64` and MIME encoders end lines."""
    expected = (await task(client, {"image": url(LARGE)}))["task_id"]
    text = url(LARGE)
    lines = base64.encodebytes(LARGE).decode()
    for image in (
        text.replace("/", "\\/"),
        text.replace("+", "\\u002B").replace("=", "\\u003d"),
        "".join(f"\\u{ord(each):04x}" for each in text),
        lines.replace("\n", "\\n"),
    ):
        body = await task(client, b'{"image": "%s"}' % image.encode())
        assert body["task_id"] == expected


async def test_several_pictures_keep_their_order_and_names(client: Any) -> None:
    pictures = [url(SMALL), url(LARGE), url(images.jpeg(), "image/jpeg;name=d%20g.jpg")]
    body = await task(client, {"filename": ["a.png", "b.png"], "image": pictures})
    assert [each["name"] for each in body["tasks"]] == ["a.png", "b.png", "d g.jpg"]
    expected = [(await task(client, {"image": each}))["task_id"] for each in pictures]
    assert [each["task_id"] for each in body["tasks"]] == expected


async def test_one_bad_picture_does_not_harm_the_others(client: Any) -> None:
    body = await task(client, {"image": [url(b"GIF89a" * 2000), url(LARGE), ""]})
    assert [each["status"] for each in body["tasks"]] == ["FAILURE", "CREATED", "FAILURE"]
    codes = [(each["error"] or {}).get("code") for each in body["tasks"]]
    assert codes == ["unsupported_format", None, "bad_request"]


@pytest.mark.parametrize(
    "operations",
    [["resize=2", "blur=3"], ["resize=2", {"op": "blur", "kernel": 3}], '["resize=2", "blur=3"]'],
)
async def test_pipelines(client: Any, operations: Any) -> None:
    body = await task(client, {"image": url(SMALL), "operations": operations}, "/process")
    assert [each["op"] for each in body["operations"]] == ["resize", "blur"]


async def test_values_of_other_kinds(client: Any) -> None:
    fields = {"image": url(SMALL), "scale": 0.5, "report": True, "quality": None}
    body = await task(client, fields, "/resize")
    assert body["operations"][0]["scale"] == 0.5
    assert (await task(client, {"image": url(SMALL), "format": "webp"}, "/convert"))["task_id"]


REFUSED: list[tuple[Any, int, str, str]] = [
    (b"", 400, "bad_request", "not valid JSON"),
    (b"[]", 400, "bad_request", "not a JSON object"),
    (b"{}", 400, "bad_request", "no picture in the field 'image'"),
    (b'{"image": "', 400, "bad_request", "not valid JSON"),
    (b'{"image": "' + b"A" * 20_000, 400, "bad_request", "not valid JSON"),
    (b'{"image": "' + b"A" * 20_000 + b'\\u00zz"}', 400, "bad_request", "not valid JSON"),
    (b'{"image": "\\', 400, "bad_request", "not valid JSON"),
    (b"\xff\xfe{\x00}\x00", 400, "bad_request", "not valid JSON"),
    (b"[" * 100_000, 400, "bad_request", "not valid JSON"),
    ({"image": 5}, 400, "bad_request", "not a text"),
    ({"image": {"data": "AAAA"}}, 400, "bad_request", "not a text"),
    ({"image": "cat.png"}, 400, "bad_request", "not base64"),
    ({"image": "cat" * 9000 + "."}, 400, "bad_request", "not base64"),
    ({"image": "ä" * 9000}, 400, "bad_request", "not base64"),
    ({"image": "data:image/png,rgb"}, 400, "bad_request", "without ;base64"),
    ({"image": url(b"<html>")}, 415, "unsupported_format", "HTML"),
    ({"image": url(SMALL), "sigma": "A" * 9000}, 413, "too_large", "not 'image'"),
    ({"image": url(SMALL), "A" * 9000: "1"}, 413, "too_large", "not 'image'"),
    ({"image": url(SMALL), "sigma": [1]}, 422, "bad_parameter", "sigma is not a text"),
    ({"image": url(SMALL), "sigma": "\ud800"}, 400, "bad_request", "not UTF-8"),
    ({"image": url(SMALL), "\ud800": "1"}, 400, "bad_request", "not UTF-8"),
    ({"image": url(SMALL), "filename": ["a", "b"]}, 422, "bad_parameter", "filename"),
    ({"image": url(SMALL), "filename": 5}, 422, "bad_parameter", "filename"),
    ({"image": url(SMALL), "nonsense": 1}, 422, "bad_parameter", "'nonsense'"),
    (b'{"image": "AAAA", "image": "AAAA"}', 400, "bad_request", "twice"),
    ({"image": [url(SMALL)] * 101}, 400, "bad_request", "MAX_BATCH"),
    ({"image": url(SMALL), **{f"f{n}": "1" for n in range(41)}}, 400, "bad_request", "40 fields"),
]


async def test_refused(client: Any) -> None:
    for document, status, code, said in REFUSED:
        body = await refused(await post(client, document), status, code)
        assert said in body["detail"]


async def test_limits_count_the_decoded_bytes(aiohttp_client: Any, settings: Settings) -> None:
    chosen = settings.replace(max_upload_bytes=len(LARGE), max_json_bytes=20_000)
    client = await aiohttp_client(create_app(chosen))
    await task(client, {"image": url(LARGE)})
    body = await refused(await post(client, {"image": url(LARGE + b"1")}), 413, "too_large")
    assert (body["setting"], body["limit"]) == ("MAX_UPLOAD_BYTES", len(LARGE))
    fewer = await aiohttp_client(create_app(chosen.replace(max_batch_bytes=2 * len(LARGE))))
    await task(fewer, {"image": [url(LARGE)] * 2})
    body = await refused(await post(fewer, {"image": [url(LARGE)] * 3}), 413, "too_large")
    assert (body["setting"], body["measured"]) == ("MAX_BATCH_BYTES", 3 * len(LARGE))
    # No text of it is long, and all of it stays in memory.
    many = b'{"image": [%s]}' % b",".join([b'""'] * 10_000)
    body = await refused(await post(client, many), 413, "too_large")
    assert body["setting"] == "MAX_JSON_BYTES"


async def test_pieces_may_end_anywhere(client: Any) -> None:
    text = json.dumps({"image": url(LARGE).replace("/", "\\/"), "sigma": 3}).encode()
    text = text.replace(b"\\\\/", b"\\/")

    async def drop_by_drop() -> Any:
        for at in range(0, len(text), 1001):
            yield text[at : at + 1001]

    answer = await client.post("/blur", data=drop_by_drop(), headers=KIND)
    expected = await task(client, {"image": url(LARGE), "sigma": 3})
    assert (await answer.json())["task_id"] == expected["task_id"]


async def test_the_older_calls_take_no_json(client: Any) -> None:
    body = await refused(await post(client, {"image": url(SMALL)}, "/convert/"), 400, "bad_request")
    assert body["detail"] == (
        "send the picture as multipart/form-data, e.g. curl -F uploaded_file=@cat.png"
    )
