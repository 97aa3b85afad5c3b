"""A watermark's picture through every body: stored once, never shown, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zlib
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from models.operations.watermark_picture import MAX_BYTES
from models.settings import Settings
from models.store import Store
from service.app import create_app
from tests.conftest import working
from tests.service.submissions.test_submission_request import TWO, form
from tests.service.uploads.test_incoming_file import refused
from tests.support import images
from tests.support.task_factory import age, findings, got


def logo(width: int = 20, height: int = 10) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (width, height), (250, 0, 0, 255)).save(file, "PNG")
    return file.getvalue()


LOGO = logo()
SHA256 = hashlib.sha256(LOGO).hexdigest()
NAMED = '{"op": "watermark", "picture": "watermark_image", "place": "center", "opacity": 100}'


def sent(files: Any = TWO[:1], second: bytes | None = LOGO, **fields: Any) -> aiohttp.FormData:
    data: aiohttp.FormData = form(files, **fields)
    if second is not None:
        data.add_field("watermark_image", second, filename="logo.png")
    return data


async def test_a_group_shares_one_picture(
    client: Any, settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with working(settings):
        data = sent(TWO, place="center", opacity="100", share="50")
        body = await (await client.post("/watermark?wait=30", data=data)).json()
        assert (body["status"], body["done"]) == ("SUCCESS", 2)
        for task, (_, original) in zip(body["tasks"], TWO, strict=True):
            assert task["operations"][0]["picture"] == SHA256
            made = images.decoded(await (await client.get(task["url"])).read()).convert("RGB")
            before = images.decoded(original).convert("RGB")
            assert made.size == before.size
            middle = np.asarray(made)[made.height // 2, made.width // 2]
            assert np.abs(middle - np.array([250, 0, 0])).max() < 12
    bucket = store.originals
    assert await bucket._files.count_documents({}) == 3  # two pictures and one watermark
    assert await bucket._files.count_documents({"metadata.key": {"$regex": SHA256}}) == 1
    listed = json.dumps(await (await client.get(f"/status/{body['group_id']}")).json())
    encoded = base64.b64encode(LOGO).decode()[:40]
    assert encoded not in listed and encoded not in capsys.readouterr().err


async def test_the_same_by_every_body_is_one_task(client: Any) -> None:
    first = await client.post("/process", data=sent(operations=["grayscale", NAMED]))
    task = await first.json()
    assert (first.status, task["operations"][1]["picture"]) == (202, SHA256)
    # JSON, and an answer's operations sent again with the file.
    document = {
        "image": base64.b64encode(TWO[0][1]).decode(),
        "watermark_image": f"data:image/png;base64,{base64.b64encode(LOGO).decode()}",
        "operations": json.dumps(["grayscale", json.loads(NAMED)]),
    }
    again = await client.post("/process", json=document)
    assert (again.status, (await again.json())["task_id"]) == (202, task["task_id"])
    said = json.dumps(task["operations"])
    third = await client.post("/process", data=sent(operations=said))
    assert (await third.json())["task_id"] == task["task_id"]
    other = await client.post(
        "/process", data=sent(second=logo(21), operations=["grayscale", NAMED])
    )
    assert (await other.json())["task_id"] != task["task_id"]


async def test_it_is_none_of_the_pictures(settings: Settings, aiohttp_client: Any) -> None:
    """With it MAX_BATCH pictures pass, and no more; in JSON only the end says which it is."""
    client = await aiohttp_client(create_app(settings.replace(max_batch=2)))
    encoded = [base64.b64encode(data).decode() for _, data in TWO]
    mark = base64.b64encode(LOGO).decode()
    for pictures, files, status in ((encoded, TWO, 202), ([*encoded, mark], [*TWO, TWO[0]], 400)):
        document = {"image": pictures, "watermark_image": mark}
        assert (await client.post("/watermark", json=document)).status == status
        assert (await client.post("/watermark", data=sent(files))).status == status
    client = await aiohttp_client(create_app(settings.replace(max_batch=1)))
    for listed, status in ((encoded[:1], 202), (encoded, 400)):
        document = {"watermark_image": mark, "image": listed}
        assert (await client.post("/watermark", json=document)).status == status


async def test_a_long_one_in_json(client: Any) -> None:
    """A text above the longest field is decoded to the spool, as a picture is."""
    file = io.BytesIO()
    Image.effect_noise((120, 120), 90).save(file, "PNG")
    encoded = base64.b64encode(file.getvalue()).decode()
    assert len(encoded) > 10_000
    image = base64.b64encode(TWO[0][1]).decode()
    for document in (
        {"image": image, "watermark_image": encoded},
        {"watermark_image": encoded, "image": image},
    ):
        answer = await client.post("/watermark", json=document)
        body = await answer.json()
        assert answer.status == 202, body
        sha256 = hashlib.sha256(file.getvalue()).hexdigest()
        assert body["operations"][0]["picture"] == sha256
        assert body["name"] == "image"


def bomb(width: int, height: int) -> bytes:
    """Return a gray PNG of zeros, of a few bytes for many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    rows = zlib.compress(bytes((width // 8 + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HOSTILE = [
    (LOGO + bytes(MAX_BYTES), 413, "too_large", f"more than {MAX_BYTES} bytes"),
    (bomb(8000, 8000), 422, "too_many_pixels", "8000 x 8000 = 64000000 pixels"),
    (bomb(1024, 1024), 422, "too_many_pixels", "at most 1000000"),
    (LOGO[:40], 422, "bad_image", "watermark_image: "),
    (b"", 400, "bad_request", "watermark_image: the picture is empty"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_format", "watermark_image"),
    (b"GIF89a" + bytes(40), 415, "unsupported_format", "watermark_image: "),
    (b"MZ" * 40_000, 415, "unsupported_format", "watermark_image: "),
]


async def test_hostile_pictures_make_no_task(client: Any, store: Store) -> None:
    for second, status, code, said in HOSTILE:
        answer = await client.post("/watermark", data=sent(second=second))
        assert said in (await refused(answer, status, code))["detail"]
        document = {
            "image": base64.b64encode(TWO[0][1]).decode(),
            "watermark_image": base64.b64encode(second).decode(),
        }
        answer = await client.post("/watermark", json=document)
        assert said in (await refused(answer, status, code))["detail"]
    assert await store.originals._files.count_documents({}) == 0


async def test_one_that_cannot_be_decoded_fails_the_task(client: Any, settings: Settings) -> None:
    """Only a child reads its samples: these are cut off."""
    async with working(settings):
        data = sent(second=LOGO[:-30])
        body = await (await client.post("/watermark?wait=30", data=data)).json()
    assert (body["status"], body["error"]["code"]) == ("FAILURE", "bad_image")
    assert body["error"]["detail"].startswith("watermark_image: ")


async def test_contradictions(client: Any) -> None:
    def body(second: bytes | None = LOGO, **fields: Any) -> aiohttp.FormData:
        return sent(second=second, **fields)

    for path, data, said in (
        ("/watermark", body(text="x"), "two watermarks"),
        ("/watermark", body(None), "text is missing: give one line, or a picture"),
        ("/watermark", body(None, picture="watermark_image"), "send it as watermark_image"),
        ("/watermark", body(None, picture=SHA256), "send it as watermark_image"),
        ("/watermark", body(picture="f" * 64), "the file that came as watermark_image has"),
        ("/process", body(None, operations=NAMED), "send it as watermark_image"),
        ("/process", body(operations="grayscale"), "no operation uses it"),
        ("/process", body(operations="watermark=x"), "no operation uses it"),
    ):
        answer = await client.post(path, data=data)
        assert said in (await refused(answer, 422, "bad_parameter"))["detail"], said
    answer = await client.post("/grayscale", data=body())
    assert "watermark_image" in (await refused(answer, 400, "bad_request"))["detail"]
    twice = sent()
    twice.add_field("watermark_image", LOGO, filename="b.png")
    assert (
        "came twice"
        in (await refused(await client.post("/watermark", data=twice), 400, "bad_request"))[
            "detail"
        ]
    )
    text = form(TWO[:1], watermark_image="logo.png")
    said = await refused(await client.post("/watermark", data=text), 400, "bad_request")
    assert "-F watermark_image=@cat.png" in said["detail"]


async def test_one_that_is_lost_is_found_by_the_check(client: Any, store: Store) -> None:
    task = await (await client.post("/watermark", data=sent())).json()
    await age(store)
    assert await findings(store) == []
    kept = await got(store, task["task_id"])
    assert kept.watermark_id is not None
    await store.originals.mark_damaged(kept.watermark_id)
    (missing,) = await findings(store)
    assert missing.code == "original_missing"
    # The same bytes came again, with another task: it needs nothing more.
    other = await client.post("/watermark", data=sent(share="7"))
    assert other.status == 202 and await missing.repair()
    found = await got(store, task["task_id"])
    assert found.watermark_id not in {None, kept.watermark_id} and found.status == "CREATED"
    await store._database["originals.files"].delete_many({"_id": found.watermark_id})
    assert all([await each.repair() for each in await findings(store)])
    failed = await got(store, task["task_id"])
    assert (failed.error or {})["code"] == "original_gone"


async def test_it_stays_while_a_task_needs_it(
    client: Any, settings: Settings, store: Store
) -> None:
    """Retention keeps it for an open task; a check finds one that is lost, and repairs it."""
    task = await (await client.post("/watermark", data=sent())).json()
    kept = await store.tasks.get(task["task_id"])
    assert kept is not None and kept.watermark_id is not None
    old = {"_id": kept.watermark_id}
    assert not await store.originals.mark_for_deletion(kept.watermark_id, old)
    assert await store.tasks.cancel(task["task_id"], {"code": "cancelled", "detail": "x"})
    assert await store.originals.mark_for_deletion(kept.watermark_id, old)
    # Without it the task cannot run again; the same request brings it.
    answer = await client.post(f"/tasks/{task['task_id']}/retry")
    body = await refused(answer, 409, "original_gone")
    assert "watermark_image is no longer kept" in body["detail"]
    async with working(settings):
        again = await (await client.post("/watermark?wait=30", data=sent())).json()
        assert (again["task_id"], again["status"]) == (task["task_id"], "SUCCESS")
