"""preset=NAME of POST /process: it is the operations and options that PRESETS_FILE says."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings
from service.app import create_app
from tests.conftest import Client, working
from tests.service.submissions.test_submission_request import CAT, TWO, form
from tests.service.uploads.test_incoming_file import refused
from tests.support import images

PRESETS = """
[small]
operations = ["resize=0.5", {op = "blur", sigma = 2}]
format = "webp"
quality = 50

[marked]
operations = "watermark=© Änne"
metadata = "safe"

[converted]
operations = ["convert=png"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "presets.toml"
    path.write_text(PRESETS)
    return path


@pytest.fixture
async def shop(settings: Settings, file: Path, aiohttp_client: Any) -> Client:
    """A client of a service that has PRESETS."""
    client: Client = await aiohttp_client(create_app(settings.replace(presets_file=file)))
    return client


async def task_id(client: Any, **fields: Any) -> str:
    answer = await client.post("/process", data=form(TWO[:1], **fields))
    body = await answer.json()
    assert answer.status == 202 or answer.status == 200, body
    return str(body["task_id"])


async def test_a_preset_is_the_task_of_its_operations(
    shop: Any, settings: Settings, file: Path, aiohttp_client: Any
) -> None:
    """However it is sent, with the options that are sent beside it; a changed one is another."""
    steps = ["resize=0.5", '{"op": "blur", "sigma": 2}']
    expected = await task_id(shop, operations=steps, format="webp", quality="50")
    assert await task_id(shop, preset="small") == expected
    empty = {"format": "", "operations": "", "quality": ""}
    assert await task_id(shop, preset="small", **empty) == expected
    document = {"preset": "small", "image": base64.b64encode(CAT).decode()}
    answer = await shop.post("/process", json=document)
    assert (await answer.json())["task_id"] == expected
    for call in (shop.put, shop.post):
        answer = await call(
            "/process?preset=small", data=CAT, headers={"Content-Type": "image/png"}
        )
        assert (await answer.json())["task_id"] == expected
    better = await task_id(shop, operations=steps, format="webp", quality="90")
    assert await task_id(shop, preset="small", quality="90") == better != expected
    jpeg = await task_id(shop, operations=steps, format="jpeg", quality="50")
    assert await task_id(shop, preset="small", format="jpeg") == jpeg
    safe = await task_id(shop, operations="watermark=© Änne", metadata="safe")
    assert await task_id(shop, preset="marked") == safe
    assert await task_id(shop, preset="marked", metadata="none") != safe

    file.write_text(PRESETS.replace("sigma = 2", "sigma = 3"))
    changed = await aiohttp_client(create_app(settings.replace(presets_file=file)))
    other = await task_id(changed, preset="small")
    assert other != expected
    assert await task_id(changed, preset="marked") == safe
    async with working(settings):
        body = await (await changed.get(f"/tasks/{other}?wait=30")).json()
        (result,) = body["results"]
        assert (result["width"], result["height"], result["format"]) == (20, 15, "webp")
        made = images.decoded(await (await changed.get(result["url"])).read())
        assert made.size == (20, 15)


async def test_what_is_listed(shop: Any) -> None:
    answer = await shop.get("/presets")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    small, marked, converted = (await answer.json())["presets"]
    assert small == {
        "name": "small",
        "own": False,
        "operations": [{"op": "resize", "scale": 0.5}, {"op": "blur", "sigma": 2.0}],
        "format": "webp",
        "quality": 50,
    }
    assert marked["operations"] == [{"op": "watermark", "text": "© Änne"}]
    steps = [{"op": "convert", "format": "png"}]
    assert converted == {"name": "converted", "own": False, "operations": steps}
    assert (await (await shop.get("/presets?x=1")).json())["code"] == "bad_parameter"


REFUSED = [
    ({"preset": "Small"}, "there is no preset 'Small'; known: small, marked, converted"),
    ({"preset": "x" * 200}, "there is no preset 'xxxx"),
    ({"preset": "small\r\nX: y"}, "there is no preset 'small\\r\\nX: y'"),
    ({"preset": "small", "operations": "flip"}, "has operations of its own: send one of both"),
    ({"preset": "small", "operations[]": "flip"}, "has operations of its own: send one of both"),
    ({"preset": "small", "quality": "lossless", "format": "avif"}, "AVIF is never lossless"),
    ({"preset": "converted", "format": "webp"}, "format=webp contradicts convert=png"),
    ({"preset": "small", "sigma": "9"}, "unknown field 'sigma'; known: operations, preset"),
]


async def test_what_is_refused(shop: Any, client: Any) -> None:
    for fields, said in REFUSED:
        body = await refused(
            await shop.post("/process", data=form(TWO[:1], **fields)), 422, "bad_parameter"
        )
        assert said in body["detail"]
    twice = form(TWO[:1], preset=["small", "marked"])
    await refused(await shop.post("/process", data=twice), 400, "bad_request")
    elsewhere = await shop.post("/blur", data=form(TWO[:1], preset="small"))
    assert "unknown field 'preset'" in (await refused(elsewhere, 422, "bad_parameter"))["detail"]
    without = await client.post("/process", data=form(TWO[:1], preset="small"))
    body = await refused(without, 422, "bad_parameter")
    assert "known: none, since PRESETS_FILE is empty" in body["detail"]
    assert await (await client.get("/presets")).json() == {"presets": []}
