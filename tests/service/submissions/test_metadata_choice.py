"""metadata=none, safe and all from the form to the file, by each way to submit a picture."""

from __future__ import annotations

from typing import Any

import pytest

from models.settings import Settings
from tests.conftest import working
from tests.service.submissions.test_submission_request import form
from tests.support import images, metadata

PHOTOGRAPH = [("photo.jpg", metadata.jpeg())]


async def submit(client: Any, path: str, **fields: Any) -> Any:
    response = await client.post(f"{path}?wait=30", data=form(PHOTOGRAPH, **fields))
    body = await response.json()
    assert body["status"] == "SUCCESS", body
    return body


async def author(client: Any, body: Any) -> tuple[Any, bool]:
    """Return who made the result, and whether it says where."""
    data = await (await client.get(body["url"])).read()
    return images.decoded(data).getexif().get(0x013B), metadata.PLACE in data


async def test_each_choice_is_a_task_of_its_own(client: Any, settings: Settings) -> None:
    async with working(settings):
        plain = await submit(client, "/blur", kernel="3")
        for name in ("none", ""):
            same = await submit(client, "/blur", kernel="3", metadata=name)
            assert same["task_id"] == plain["task_id"]
        assert await author(client, plain) == (None, False)
        safe = await submit(client, "/blur", kernel="3", metadata="safe")
        every = await submit(client, "/blur", kernel="3", metadata="all")
        assert len({each["task_id"] for each in (plain, safe, every)}) == 3
        assert await author(client, safe) == ("Ada Lovelace", False)
        assert await author(client, every) == ("Ada Lovelace", True)
        assert "metadata was dropped: EXIF, XMP, IPTC" in str(plain["results"][0]["notes"])
        # A result without metadata is no beginning of one that has it.
        for choice, found in (("none", None), ("safe", "Ada Lovelace"), ("none", None)):
            steps = ["upscale=2", "grayscale" if choice == "safe" else "rotate=90"]
            body = await submit(client, "/process", operations=steps, metadata=choice)
            assert await author(client, body) == (found, False)


async def test_a_batch_in_json(client: Any, settings: Settings) -> None:
    two = [*PHOTOGRAPH, ("bare.png", images.png())]
    operations = '[{"op": "resize", "scale": 2}, "grayscale"]'
    async with working(settings):
        sent = form(two, operations=operations, metadata="safe", format="webp")
        group = await (await client.post("/process?wait=30", data=sent)).json()
        assert (group["status"], group["done"]) == ("SUCCESS", 2)
        found = [await author(client, task) for task in group["tasks"]]
    assert found == [("Ada Lovelace", False), (None, False)]


@pytest.mark.parametrize("path", ["/upscale", "/convert", "/process"])
async def test_an_unknown_choice_is_refused(client: Any, path: str) -> None:
    fields = {"/convert": {"format": "png"}, "/process": {"operations": "grayscale"}}.get(path, {})
    response = await client.post(path, data=form(PHOTOGRAPH, metadata="gps", **fields))
    body = await response.json()
    assert (response.status, body["code"], body["parameter"]) == (422, "bad_parameter", "metadata")
    assert body["known"] == ["none", "safe", "all"]
