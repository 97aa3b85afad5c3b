"""Malformed forms: each is refused with a clear error, none with a 500."""

from __future__ import annotations

import asyncio
import errno
import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from service.http.request_body import MAX_FIELD_BYTES, MAX_FIELDS
from tests.service.uploads.test_incoming_file import refused
from tests.support import images

Send = Callable[..., Awaitable[Any]]


async def test_missing_image_field(client: Any) -> None:
    form = aiohttp.FormData({"scale": "2"}, default_to_multipart=True)
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "-F image=@" in body["detail"]
    assert "'scale'" in body["detail"]


async def test_image_in_another_field(client: Any) -> None:
    form = aiohttp.FormData()
    form.add_field("photo", images.png(), filename="a.png")
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "'photo'" in body["detail"] and "'image'" in body["detail"]


async def test_image_field_sent_as_text(client: Any) -> None:
    form = aiohttp.FormData({"image": "cat.png"}, default_to_multipart=True)
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "put @ before" in body["detail"]


async def test_duplicate_field(client: Any) -> None:
    form = images.form(images.png(), "a.png", scale="2")
    form.add_field("scale", "2")
    body = await refused(await client.post("/upscale", data=form), 400, "bad_request")
    assert "'scale' came twice" in body["detail"]


async def test_body_that_is_not_a_form(client: Any) -> None:
    for kind in ("application/json", "text/plain", "multipart/form-data"):
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
    unfinished = start + images.png()
    for data in (b"no boundary at all", b"--x\r\nno header", nested, unfinished, b""):
        response = await client.post("/upscale", data=data, headers=head)
        await refused(response, 400, "bad_request")


async def test_number_and_length_of_fields_are_limited(client: Any) -> None:
    many = images.form(images.png(), "a.png", **{f"field{n}": "1" for n in range(MAX_FIELDS + 1)})
    body = await refused(await client.post("/upscale", data=many), 400, "bad_request")
    assert body["limit"] == MAX_FIELDS
    long = images.form(images.png(), "a.png", scale="2" * (MAX_FIELD_BYTES + 1))
    body = await refused(await client.post("/upscale", data=long), 413, "too_large")
    assert body["limit"] == MAX_FIELD_BYTES


@pytest.mark.parametrize(
    ("part", "limit"),
    [
        (b"X-A: b\r\n" * 100, "header"),
        (b"X-A: " + b"b" * 10_000 + b"\r\n", "header"),
        (b"X-" + b"a" * 10_000 + b": b\r\n", "header"),
    ],
    ids=["a-hundred", "a-long-value", "a-long-name"],
)
async def test_part_headers_are_limited(client: Any, part: bytes, limit: str) -> None:
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n'
    data = start + part + b"\r\n" + images.png() + b"\r\n--x--\r\n"
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    body = await refused(await client.post("/upscale", data=data, headers=head), 400, "bad_request")
    assert limit in body["detail"].lower()


@pytest.mark.parametrize(
    ("part", "limit"),
    [
        (b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\n\r\n', MAX_FIELDS),
        (
            b'--x\r\nContent-Disposition: form-data; name="image"; filename="%d"\r\n\r\n\r\n',
            100,
        ),
    ],
    ids=["fields", "pictures"],
)
async def test_a_thousand_parts(client: Any, part: bytes, limit: int) -> None:
    data = b"".join(part % number for number in range(1000)) + b"--x--\r\n"
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    body = await refused(await client.post("/upscale", data=data, headers=head), 400, "bad_request")
    assert body["limit"] == limit


@pytest.mark.parametrize("name", [b"scale", b"email", b"format", b"SCALE", b"scale\x00"])
async def test_repeated_field_is_refused(client: Any, name: bytes) -> None:
    """A repeated field, or a name that a laxer parser takes for it, does not override the first."""
    field = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n3\r\n'
    data = field % b"scale" + field % b"email" + field % b"format" + field % name + b"--x--\r\n"
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/upscale", data=data, headers=head)
    assert response.status in {400, 422}


async def upload_named(client: Any, name: str) -> Any:
    """Upload with a name as curl and browsers send it: raw UTF-8, not escaped."""
    data = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + images.png()
        + b"\r\n--x--\r\n"
    )
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post("/upscale", data=data, headers=head)
    assert response.status == 202
    assert "Set-Cookie" not in response.headers
    return (await response.json())["name"]


async def test_file_names_are_sanitized(client: Any) -> None:
    assert await upload_named(client, "котик 猫.png") == "котик 猫.png"
    assert await upload_named(client, "../../etc/passwd") == "passwd"
    assert await upload_named(client, "x\\\\..\\\\y.png") == "y.png"
    assert await upload_named(client, "%2e%2e%2fcat.png") == "_2e_2e_2fcat.png"
    assert len(await upload_named(client, "x" * 300 + ".png")) == 100


def file_part(disposition: str, data: bytes) -> bytes:
    """Return a part; each letter of ``disposition`` up to \\xff is a byte."""
    head = f"--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode("latin-1") + data + b"\r\n"


BLANK = file_part('name="image"; filename=""', b"")
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


async def test_odd_names_cost_no_other_picture(client: Any) -> None:
    spelt = "%E6%97%A5" * 255
    names = {
        'filename="caf\xe9.png"': "café.png",
        "filename*=UTF-8''%E6%97%A5.png": "日.png",
        f"filename=\"=?utf-8?B?{'5pel' * 255}?=\"; filename*=utf-8''{spelt}": "日" * 100,
        'filename="a;b&amp;c.png"': "a_b_c.png",
        'filename="C:\\x\\cat.png"': "cat.png",
        'filename="a\x00\x1b\t.png"': "a___.png",
    }
    parts = [
        file_part(f'name="image"; {name}', images.png(seed=seed)) for seed, name in enumerate(names)
    ]
    data = b"".join(parts) + b"--x--\r\n"
    answer = await (await client.post("/blur", data=data, headers=FORM)).json()
    assert [task["name"] for task in answer["tasks"]] == list(names.values())


@pytest.mark.parametrize("field", ["image", "images[]", "mask"])
async def test_blank_file_inputs_are_passed_over(client: Any, field: str) -> None:
    blank = file_part(f'name="{field}"; filename=""', b"")
    full = file_part('name="image"; filename="cat.png"', images.png())
    for parts in (full + blank * 2, blank + full, blank + full + blank):
        answer = await client.post("/upscale", data=parts + b"--x--\r\n", headers=FORM)
        assert answer.status == 202
        assert (await answer.json())["name"] == "cat.png"


async def test_file_without_a_name_is_not_blank(client: Any) -> None:
    data = file_part('name="image"; filename=""', images.png()) + b"--x--\r\n"
    assert (await (await client.post("/blur", data=data, headers=FORM)).json())["name"] == "image"
    elsewhere = data.replace(b'"image"', b'"photo"')
    body = await refused(
        await client.post("/blur", data=elsewhere, headers=FORM), 400, "bad_request"
    )
    assert body["field"] == "image"


async def test_only_blank_file_inputs(client: Any) -> None:
    response = await client.post("/blur", data=BLANK * 3 + b"--x--\r\n", headers=FORM)
    body = await refused(response, 400, "bad_request")
    assert "there is no picture in the field 'image'" in body["detail"]
    many = BLANK * 1000 + b"--x--\r\n"
    body = await refused(await client.post("/blur", data=many, headers=FORM), 400, "bad_request")
    assert body["limit"] == 100


async def test_blank_file_inputs_of_small_forms(client: Any) -> None:
    data = BLANK + file_part('name="email"', b"no address") + b"--x--\r\n"
    await refused(await client.post("/subscribe", data=data, headers=FORM), 422, "bad_parameter")


async def test_compressed_body_and_preamble_are_refused(client: Any) -> None:
    """A compressed body of line ends, which would inflate a thousandfold, must not cost seconds."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        + images.png()
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
async def test_malformed_content_type(client: Any, kind: str) -> None:
    head = {"Content-Type": f"multipart/form-data; {kind}"}
    await refused(await client.post("/upscale", data=b"x", headers=head), 400, "bad_request")


async def test_field_name_that_is_not_utf8(client: Any) -> None:
    data = b'--x\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\n1\r\n--x--\r\n'
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    await refused(await client.post("/upscale", data=data, headers=head), 400, "bad_request")


async def test_extended_boundary_parameter_is_refused(client: Any) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary*=utf-16''%41"}
    for path in ("/blur", "/convert/", "/subscribe", "/process"):
        await refused(await client.post(path, data=b"x", headers=kind), 400, "bad_request")


async def test_other_expect_header_is_refused(client: Any) -> None:
    for value in ("200-ok", "\xff", "\udcff"):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        host = "Host: localhost\r\n"
        line = f"POST /blur HTTP/1.1\r\n{host}Expect: {value}\r\nContent-Length: 0\r\n\r\n"
        writer.write(line.encode("utf-8", "surrogateescape"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 417") and b"application/problem+json" in head
        writer.close()


async def test_out_of_file_descriptors_is_503_with_retry_after(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(**_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("service.uploads.spool.tempfile.TemporaryFile", none_left)
    response = await client.post("/blur", data=images.form(images.png(), "a.png"))
    body = await refused(response, 503, "no_room")
    assert "Too many open files" in body["detail"] and response.headers["Retry-After"]
