"""frames=all from the form to the result, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from service.app import create_app
from tests.conftest import working
from tests.service.submissions.test_submission_request import form
from tests.service.uploads.test_incoming_file import refused
from tests.support import animations, images
from workers.imaging import notes

TAKEN = {"input_formats": "png,jpeg,webp,gif"}
GIF, WEBP, PNG = (animations.moving(kind) for kind in ("GIF", "WEBP", "PNG"))


@pytest.fixture
async def open_to_all(settings: Settings, aiohttp_client: Any) -> Any:
    return await aiohttp_client(create_app(settings.replace(**TAKEN)))


async def made(client: Any, body: dict[str, Any]) -> tuple[Any, list[Any]]:
    """Return the response with the result, and its frames."""
    assert body["status"] == "SUCCESS", body
    response = await client.get(body["url"])
    return response, animations.frames(await response.read())


async def test_animations_of_every_format(open_to_all: Any, settings: Settings) -> None:
    client = open_to_all
    async with working(settings.replace(**TAKEN)):
        sent = [("a.gif", GIF), ("b.webp", WEBP), ("c.png", PNG), ("d.jpg", images.jpeg(40, 30))]
        data = form(sent, width="20", frames="all")
        group = await (await client.post("/resize?wait=60", data=data)).json()
        assert (group["status"], group["failed"]) == ("SUCCESS", 0), group
        kinds = ["image/gif", "image/webp", "image/png", "image/jpeg"]
        for task, kind in zip(group["tasks"], kinds, strict=True):
            response, frames = await made(client, task)
            assert response.content_type == kind
            assert len(frames) == (1 if kind == "image/jpeg" else 5)
            assert all(canvas.shape == (15, 20, 4) for canvas, _ in frames)
        gif = group["tasks"][0]
        assert gif["results"][0]["name"].endswith(".gif")
        # Another format, as a convert, in JSON and in a query: the same task.
        asked = {"width": "20", "frames": "all", "format": "webp"}
        body = await (await client.post("/resize?wait=60", data=form(sent[:1], **asked))).json()
        _, frames = await made(client, body)
        assert [shown for _, shown in frames] == list(animations.DURATIONS)
        steps = '["resize={}", {{"op": "convert", "format": "webp", "frames": "all"}}]'
        listed = form(sent[:1], operations=steps.format("0.5"))
        again = await (await client.post("/process?wait=60", data=listed)).json()
        assert len((await made(client, again))[1]) == 5
        raw = await client.put("/resize?width=20&frames=all&format=webp", data=GIF)
        assert (await raw.json())["task_id"] == body["task_id"]
        # Without it: the first frame, with a note, and another task.
        still = await (await client.post("/resize?wait=60", data=form(sent[:1], width="20"))).json()
        assert still["task_id"] != gif["task_id"]
        assert notes.FIRST_FRAME in still["results"][0]["notes"]
        response, frames = await made(client, still)
        assert (response.content_type, len(frames)) == ("image/png", 1)
        # One of its frames is broken: all of it is refused, and the first frame is not.
        at = WEBP.rindex(b"ANMF") + 40
        broken = WEBP[:at] + bytes(12) + WEBP[at + 12 :]
        for fields, status in (({"frames": "all"}, "FAILURE"), ({}, "SUCCESS")):
            data = form([("b.webp", broken)], width="20", **fields)
            body = await (await client.post("/resize?wait=60", data=data)).json()
            assert body["status"] == status, body
            if status == "FAILURE":
                assert body["error"]["code"] == "bad_image"
                assert "frame 5 of 5 cannot be decoded" in body["error"]["detail"]
        # Of a picture without further frames it changes nothing.
        plain = await client.post("/resize", data=form(sent[3:], width="20"))
        assert (await plain.json())["task_id"] == group["tasks"][3]["task_id"]


async def test_refusals(open_to_all: Any) -> None:
    client = open_to_all
    for path, data, fields, said in (
        ("/upscale", GIF, {"frames": "all"}, "not through upscale"),
        ("/blur", GIF, {"frames": "all", "format": "jpeg"}, "JPEG holds no animation"),
        ("/blur", GIF, {"frames": "some"}, "frames 'some' is not supported; known: first, all"),
        ("/blur", GIF, {"format": "gif"}, "send frames=all, too"),
        ("/blur", images.png(8, 8), {"format": "gif", "frames": "all"}, "is not animated"),
        ("/convert", GIF, {"format": "avif", "frames": "all"}, "AVIF holds no animation"),
        ("/blur", GIF, {"frames": "all", "max_bytes": "900"}, "max_bytes is for still pictures"),
    ):
        answer = await client.post(path, data=images.form(data, "a", **fields))
        assert said in (await refused(answer, 422, "bad_parameter"))["detail"]


async def test_a_bomb_is_refused_before_anything_is_decoded(open_to_all: Any) -> None:
    bomb = animations.bomb(1500, 200, 200)
    data = images.form(bomb, "a.gif", width="10", frames="all")
    body = await refused(await open_to_all.post("/resize", data=data), 422, "too_many_pixels")
    assert (body["setting"], body["measured"]) == ("MAX_PIXELS", 60_000_000)


async def test_auto_takes_a_format_that_holds_animations(open_to_all: Any) -> None:
    for accept, taken in (("image/avif,image/webp", "webp"), ("image/avif", "gif"), ("*/*", "gif")):
        data = images.form(GIF, "a.gif", format="auto", frames="all", sigma="2")
        answer = await open_to_all.post("/blur", data=data, headers={"Accept": accept})
        body = await answer.json()
        assert body["operations"][1] == {
            "op": "convert", "format": taken, "quality": None, "frames": "all",
        }  # fmt: skip
