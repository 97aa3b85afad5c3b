"""POST /process: several operations, in order."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from models.settings import Settings
from tests.conftest import working
from tests.service.submissions.test_submission_request import TWO, form
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images


async def test_pipeline_results(client: Any, settings: Settings) -> None:
    async with working(settings):
        data = form(TWO[:1], operations=["split", "resize=2", "grayscale"])
        body = await (await client.post("/process?wait=30", data=data)).json()
        assert [result["name"] for result in body["results"]] == [
            f"cat-split-resize-x2-grayscale-{n}.png" for n in (1, 2, 3, 4)
        ]
        assert {(r["width"], r["height"]) for r in body["results"]} == {(40, 30)}
        for result in body["results"]:
            response = await client.get(result["url"])
            assert images.decoded(await response.read()).mode == "L"
        listed = form(TWO[:1], operations='["split", {"op": "resize", "scale": 2}, "grayscale"]')
        again = await client.post("/process", data=listed)
        assert (again.status, (await again.json())["task_id"]) == (200, body["task_id"])


async def test_fit_flip_sharpen_and_adjust(client: Any, settings: Settings) -> None:
    async with working(settings):
        box = {"width": "50", "height": "30", "fit": "pad", "colour": "transparent"}
        steps = ["flip=vertical", "sharpen=50", '{"op": "adjust", "contrast": 20}']
        padded = {"op": "resize", **box}
        data = form(TWO[:1], operations=[*steps, json.dumps(padded)])
        body = await (await client.post("/process?wait=30", data=data)).json()
        (result,) = body["results"]
        name = "cat-flip-vertical-sharpen-50-r1.5-adjust-c20-resize-50x30-pad.png"
        assert (result["name"], result["width"], result["height"]) == (name, 50, 30)
        made = images.decoded(await (await client.get(result["url"])).read())
        assert made.mode == "RGBA" and made.getpixel((0, 0)) == (255, 255, 255, 0)
        small = form(TWO[:1], width="9", height="6", fit="cover")
        body = await (await client.post("/thumbnail?wait=30", data=small)).json()
        assert [(r["width"], r["height"]) for r in body["results"]] == [(9, 6)]
        body = await (
            await client.post("/smartcrop?wait=30", data=form(TWO[:1], ratio="2:4"))
        ).json()
        (result,) = body["results"]
        assert (result["name"], result["width"], result["height"]) == (
            "cat-smartcrop-1-2.png",
            15,
            30,
        )


async def test_a_trim_and_what_follows_it(client: Any, settings: Settings) -> None:
    """What is left is known only in the child: what cannot fit is refused, or fails, with why."""
    file = io.BytesIO()
    framed = Image.new("RGB", (60, 50), "white")
    framed.paste(Image.open(io.BytesIO(images.png(40, 30))), (5, 5))
    framed.save(file, "PNG")
    picture = [("cat.png", file.getvalue())]
    async with working(settings):
        steps = ["trim", "resize=2", '{"op": "crop", "width": 80, "height": 60}']
        body = await (
            await client.post("/process?wait=30", data=form(picture, operations=steps))
        ).json()
        (result,) = body["results"]
        assert (result["name"], result["width"]) == ("cat-trim-resize-x2-crop-80x60.png", 80)
        steps[2] = steps[2].replace("80", "81")
        body = await (
            await client.post("/process?wait=30", data=form(picture, operations=steps))
        ).json()
        assert (body["status"], body["error"]["code"]) == ("FAILURE", "bad_parameter")
        assert "the picture is 80 x 60 pixels" in body["error"]["detail"]
    one_side = form(picture, operations=["trim", '{"op": "resize", "width": 9}'])
    refusal = await refused(await client.post("/process", data=one_side), 422, "bad_parameter")
    assert "operation 2: resize: after trim" in refusal["detail"]


async def test_a_watermark(client: Any, settings: Settings) -> None:
    """Its text is a field like others: a form, JSON and a list say the same task."""
    async with working(settings):
        data = form(TWO[:1], text="© Änne 你好", place="top", opacity="100")
        body = await (await client.post("/watermark?wait=30", data=data)).json()
        (result,) = body["results"]
        assert (result["name"], result["width"], result["height"]) == ("cat-watermark.png", 40, 30)
        assert body["operations"][0]["text"] == "© Änne 你好"
        said = {"op": "watermark", "text": " © A\u0308nne 你好", "place": "top", "opacity": 100}
        again = await client.post("/process", data=form(TWO[:1], operations=json.dumps(said)))
        assert (again.status, (await again.json())["task_id"]) == (200, body["task_id"])
        other = await client.post("/watermark", data=form(TWO[:1], text="© Anne"))
        assert (other.status, (await other.json())["operations"][0]["size"]) == (202, 5)
    response = await client.post("/watermark", data=form(TWO[:1], text="a\r\nb"))
    assert "letter 2 is U+000D" in (await refused(response, 422, "bad_parameter"))["detail"]


async def test_a_fit_without_a_box_is_refused(client: Any) -> None:
    response = await client.post("/resize", data=form(TWO[:1], scale="2", fit="cover"))
    body = await refused(response, 422, "bad_parameter")
    assert "fit=cover needs a box" in body["detail"]


@pytest.mark.parametrize(
    ("path", "fields", "last"),
    [
        ("grayscale", {"format": "webp", "quality": "lossless"}, ("webp", "lossless")),
        ("rotate", {"angle": "90", "quality": "lossless"}, ("png", "lossless")),
        ("blur", {"format": "jpg", "quality": "80"}, ("jpeg", 80)),
        ("process", {"operations": "split", "format": "webp", "quality": "9"}, ("webp", 9)),
        ("upscale", {"quality": "fast"}, None),
        ("upscale", {"format": "webp", "quality": "lossless"}, ("webp", "lossless")),
        ("convert", {"format": "webp", "quality": "lossless"}, ("webp", "lossless")),
    ],
)
async def test_quality_of_the_file(
    client: Any, path: str, fields: dict[str, str], last: tuple[str, Any] | None
) -> None:
    data = images.form(images.png(), "cat.png", **fields)
    operations = (await (await client.post(f"/{path}", data=data)).json())["operations"]
    converted = [(each["format"], each["quality"]) for each in operations if "format" in each]
    assert converted == ([last] if last else [])


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("blur", {"quality": "80"}, "PNG loses nothing"),
        ("blur", {"format": "jpeg", "quality": "lossless"}, "JPEG is never lossless"),
        ("blur", {"format": "webp", "quality": "0"}, "1 to 100, or lossless"),
        ("blur", {"format": "webp", "quality": "best"}, "1 to 100, or lossless"),
        ("upscale", {"quality": "worst"}, "'fast', 'balanced', 'best', 'photo' or 'auto'"),
    ],
)
async def test_refused_qualities_of_the_file(
    client: Any, path: str, fields: dict[str, str], said: str
) -> None:
    response = await client.post(f"/{path}", data=images.form(images.png(), "cat.png", **fields))
    assert said in (await refused(response, 422, "bad_parameter"))["detail"]


async def test_pipeline_output_format(client: Any, settings: Settings) -> None:
    async with working(settings):
        for fields, kind in (
            ({"operations": "convert=webp"}, "webp"),
            ({"operations": "grayscale", "format": "webp"}, "webp"),
            ({"operations": ["convert=png", "convert=jpg"]}, "jpeg"),
            ({"operations": "grayscale"}, "png"),
        ):
            body = await (
                await client.post("/process?wait=30", data=form(TWO[:1], **fields))
            ).json()
            assert body["results"][0]["format"] == kind, body
            response = await client.get(body["url"])
            assert response.content_type == f"image/{kind}"
            assert images.decoded(await response.read()).format == kind.upper()


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({}, "operations is empty"),
        ({"operations": "resize=0"}, "operation 1: resize"),
        ({"operations": "split", "scale": "2"}, "unknown field 'scale'"),
        ({"operations": "convert=png", "format": "jpeg"}, "contradicts"),
        ({"operations": "crop", "format": "png"}, "operation 1: crop"),
        ({"operations": ["split"] * 4}, "256 results of each picture"),
        ({"operations": "resize=99"}, None),
    ],
)
async def test_invalid_pipelines_are_refused(
    client: Any, fields: dict[str, Any], detail: str | None
) -> None:
    response = await client.post("/process", data=form(TWO[:1], **fields))
    if detail is None:  # 40x30 x99 is 11.8 MP: allowed
        assert response.status == 202
        return
    body = await refused(response, 422, "bad_parameter")
    assert detail in body["detail"]


async def test_max_operations(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_operations=2)
    many = form(TWO[:1], operations=["grayscale"] * 3)
    body = await refused(await client.post("/process", data=many), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_OPERATIONS", 2, 3)


async def test_sizes_are_checked_upright_at_submission(client: Any) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees: 40x30 is shown as 30x40
    data = images.jpeg(40, 30, exif=exif)
    for x, status in ((0, 202), (1, 422)):
        fields = {"x": str(x), "width": "30", "height": "40"}
        response = await client.post("/crop", data=form([("a.jpg", data)], **fields))
        assert response.status == status


async def test_max_results_and_max_batch_results(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_results=15, max_batch_results=7)
    twice = form(TWO[:1], operations=["split", "split"])
    body = await refused(await client.post("/process", data=twice), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_RESULTS", 15, 16)
    body = await refused(await client.post("/split", data=form(TWO)), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_BATCH_RESULTS", 7, 8)
    assert (await client.post("/split", data=form(TWO[:1]))).status == 202
