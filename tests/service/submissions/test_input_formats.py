"""INPUT_FORMATS from the form to the result: each format, each body, and what stays refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from models.settings import Settings
from service.app import create_app
from tests.conftest import working
from tests.service.submissions.test_submission_request import form
from tests.service.uploads.test_incoming_file import refused
from tests.support import images
from tests.support import input_files as files
from tests.support.webhook_receiver import run_receiver, webhook_settings
from workers.imaging import notes

EVERY = "png,jpeg,webp,gif,avif,tiff,bmp,heic"
WHOLE = {kind: whole[0] for kind, whole in files.samples().items()}
BROWSER = {"Accept": "text/html"}


@pytest.fixture
async def open_to_all(settings: Settings, aiohttp_client: Any) -> Any:
    return await aiohttp_client(create_app(settings.replace(input_formats=EVERY)))


async def test_a_batch_of_every_format(open_to_all: Any, settings: Settings) -> None:
    sent = [(f"{kind}.x", data) for kind, data in WHOLE.items()]
    sent += [("turned.heic", files.heic("turned")), ("pages.tif", files.animated("TIFF"))]
    async with working(settings.replace(input_formats=EVERY)):
        data = form(sent, width="20")
        group = await (await open_to_all.post("/resize?wait=60", data=data)).json()
        assert (group["status"], group["failed"]) == ("SUCCESS", 0), group
        results = [task["results"][0] for task in group["tasks"]]
        formats = ["webp", "png", "avif", "png", "png", "jpeg", "jpeg", "png"]
        assert [each["format"] for each in results] == formats
        for result, task in zip(results, group["tasks"], strict=True):
            made = images.decoded(await (await open_to_all.get(task["url"])).read())
            assert made.size == (result["width"], result["height"]) and made.width == 20
        assert results[6]["height"] == 40  # upright
        assert results[7]["notes"] == [notes.FIRST_PAGE]
        # The same bytes, however they come, are the same task.
        heic = files.heic()
        encoded = base64.b64encode(heic).decode()
        for answer in (
            await open_to_all.put("/resize?width=20", data=heic),
            await open_to_all.post("/resize", json={"image": encoded, "width": 20}),
        ):
            assert (await answer.json())["task_id"] == group["tasks"][5]["task_id"]
        kept = await open_to_all.get(
            f"/dashboard/api/tasks/{group['tasks'][5]['task_id']}/original"
        )
        assert (kept.content_type, await kept.read()) == ("image/heic", heic)


async def test_by_default_all_of_them_are_refused(client: Any) -> None:
    for data in WHOLE.values():
        body = await refused(
            await client.post("/blur", data=images.form(data, "a")), 415, "unsupported_format"
        )
        assert body["accepted"] == ["png", "jpeg"] and body["detail"].endswith("send PNG or JPEG")


async def test_calls_of_older_services_take_what_they_took(open_to_all: Any) -> None:
    for path, field, taken in (
        ("/convert/", "uploaded_file", set()),
        ("/convert", "file", {"gif"}),
    ):
        for kind in WHOLE.keys() - taken:
            sent = form([("a", WHOLE[kind])], field)
            body = await refused(await open_to_all.post(path, data=sent), 415, "unsupported_format")
            assert set(body["accepted"]) == {"png", "jpeg"} | taken
    new = await open_to_all.post("/convert", data=form([("a", WHOLE["webp"])], format="png"))
    assert new.status == 202


async def test_a_damaged_file_is_refused_with_what_is_wrong(open_to_all: Any) -> None:
    for kind in ("webp", "avif", "tiff", "bmp", "heic"):
        data = WHOLE[kind][: len(WHOLE[kind]) * 2 // 3]
        sent = images.form(data, "a")
        body = await refused(await open_to_all.post("/blur", data=sent), 422, "bad_image")
        assert "truncated" in body["detail"]
    raw = images.encoded(Image.new("L", (9, 7)), "TIFF", tiffinfo={254: 1})
    body = await refused(
        await open_to_all.post("/blur", data=images.form(raw, "a")), 415, "unsupported_format"
    )
    assert "RAW file of a camera" in body["detail"]


async def test_what_is_accepted_is_said_everywhere(
    client: Any, settings: Settings, aiohttp_client: Any
) -> None:
    other = await aiohttp_client(create_app(settings.replace(input_formats="heic,png,webp")))
    for service, types, words in (
        (client, "image/png,image/jpeg", "PNG or JPEG"),
        (other, "image/png,image/webp,image/heic,.heic,.heif", "PNG, WEBP or HEIC"),
    ):
        page = await (await service.get("/", headers=BROWSER)).text()
        assert f'accept="{types}"' in page
        assert f'accept="{types}"' in await (await service.get("/docs")).text()
        document = await (await service.get("/openapi.json")).text()
        assert f"One or more. A {words} file" in document
        assert "A PNG, JPEG or GIF file" in document  # of the older thumbnail service
    page = await (await other.get("/", headers={**BROWSER, "Accept-Language": "de"})).text()
    assert "PNG, WEBP oder HEIC" in page


async def test_a_url_may_bring_what_is_accepted(settings: Settings, aiohttp_client: Any) -> None:
    async with run_receiver() as server:
        wider = webhook_settings(settings, server).replace(input_formats="png,jpeg,heic")
        service = await aiohttp_client(create_app(wider))
        server.responses = [web.Response(body=files.heic())]
        url = f"http://127.0.0.1:{server.port}/a.heic"
        answer = await service.post("/blur", json={"image_url": url})
        assert answer.status == 202
        assert server.calls[0][0]["Accept"] == "image/png, image/jpeg, image/heic"
