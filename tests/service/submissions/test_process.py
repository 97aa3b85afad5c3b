"""POST /process: several operations in a row, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from tests.conftest import working
from tests.service.submissions.test_submission_request import TWO, form
from tests.service.uploads.test_incoming_file import limited, refused
from tests.support import images


async def test_pipeline(client: Any, settings: Settings) -> None:
    async with working(settings):
        asked = form(TWO[:1], operations=["split", "resize=2", "grayscale"])
        body = await (await client.post("/process?wait=30", data=asked)).json()
        assert [result["name"] for result in body["results"]] == [
            f"cat-split-resize-x2-grayscale-{n}.png" for n in (1, 2, 3, 4)
        ]
        assert {(r["width"], r["height"]) for r in body["results"]} == {(40, 30)}
        for result in body["results"]:
            answer = await client.get(result["url"])
            assert images.decoded(await answer.read()).mode == "L"
        listed = form(TWO[:1], operations='["split", {"op": "resize", "scale": 2}, "grayscale"]')
        again = await client.post("/process", data=listed)
        assert (again.status, (await again.json())["task_id"]) == (200, body["task_id"])


async def test_pipeline_writes_as_it_says(client: Any, settings: Settings) -> None:
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
            answer = await client.get(body["url"])
            assert answer.content_type == f"image/{kind}"
            assert images.decoded(await answer.read()).format == kind.upper()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "there are no operations"),
        ({"operations": "resize=0"}, "operation 1: resize"),
        ({"operations": "split", "scale": "2"}, "unknown field 'scale'"),
        ({"operations": "convert=png", "format": "jpeg"}, "contradicts"),
        ({"operations": "crop", "format": "png"}, "operation 1: crop"),
        ({"operations": ["split"] * 4}, "256 results of each picture"),
        ({"operations": "resize=99"}, None),
    ],
)
async def test_pipelines_refused(client: Any, fields: dict[str, Any], sentence: str | None) -> None:
    response = await client.post("/process", data=form(TWO[:1], **fields))
    if sentence is None:  # 40x30 x99 is 11.8 MP: allowed
        assert response.status == 202
        return
    body = await refused(response, 422, "bad_parameter")
    assert sentence in body["detail"]


async def test_limit_of_operations(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_operations=2)
    many = form(TWO[:1], operations=["grayscale"] * 3)
    body = await refused(await client.post("/process", data=many), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_OPERATIONS", 2, 3)


async def test_sizes_are_judged_upright_and_before_any_work(client: Any) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side: 40x30 is shown as 30x40
    data = images.jpeg(40, 30, exif=exif)
    for x, status in ((0, 202), (1, 422)):
        fields = {"x": str(x), "width": "30", "height": "40"}
        response = await client.post("/crop", data=form([("a.jpg", data)], **fields))
        assert response.status == status


async def test_limit_of_results(aiohttp_client: Any, settings: Settings) -> None:
    client = await limited(aiohttp_client, settings, max_results=15, max_batch_results=7)
    twice = form(TWO[:1], operations=["split", "split"])
    body = await refused(await client.post("/process", data=twice), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_RESULTS", 15, 16)
    body = await refused(await client.post("/split", data=form(TWO)), 422, "bad_parameter")
    assert (body["setting"], body["limit"], body["measured"]) == ("MAX_BATCH_RESULTS", 7, 8)
    assert (await client.post("/split", data=form(TWO[:1]))).status == 202
