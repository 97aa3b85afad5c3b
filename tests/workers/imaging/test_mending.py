"""Damaged pictures through the service: what is whole is a result, what is missing is said."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from tests.support import images
from workers.imaging import damage

pytestmark = pytest.mark.integration


async def test_damaged_pictures_end_in_a_result_or_a_reason(send: Any, worker: Any) -> None:
    """The child is sandboxed: it may write its mended copy but delete nothing."""
    scene = images.scene(64, 60)
    packed = zlib.compress(images.raw(scene)[: 57 * 193])
    comment = images.chunk(b"tEXt", b"a\0b")[:-1] + b"?"
    jpeg = images.jpeg(64, 320)
    for data, noted in (
        (jpeg[:-2] + b"SEFT", []),
        (jpeg[: 98 * len(jpeg) // 100], ["JPEG"]),
        (images.by_hand(scene, before=comment), []),
        (images.by_hand(scene, before=comment, packed=packed), ["PNG"]),
    ):
        body = await (await send(data, "cat", query="?wait=30", scale="2")).json()
        (result,) = body["results"]
        assert [note.split()[1] for note in result["notes"]] == noted
        assert result["width"] == 128
    body = await (await send(jpeg[: len(jpeg) // 2], "cat", query="?wait=30", scale="2")).json()
    error = body["error"]
    assert (body["status"], error["code"]) == ("FAILURE", "bad_image")
    assert error["limit"] == damage.MAX_MISSING_SHARE
    assert 0.4 < error["measured"] < 0.6
