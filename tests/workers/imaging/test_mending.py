"""Damaged pictures in a sandboxed child, which may write its copy but delete nothing."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings
from tests.support import images
from tests.workers.child.test_pool import ignore, request
from workers.child.pool import ChildPool

pytestmark = pytest.mark.integration


async def test_a_child_mends_what_it_is_sent(tmp_path: Path) -> None:
    scene = images.scene(64, 60)
    packed = zlib.compress(images.raw(scene)[: 57 * 193])
    comment = images.chunk(b"tEXt", b"a\0b")[:-1] + b"?"
    jpeg = images.jpeg(64, 320)
    damaged = [
        (jpeg[:-2] + b"SEFT", []),
        (jpeg[: 98 * len(jpeg) // 100], ["JPEG"]),
        (images.by_hand(scene, before=comment), []),
        (images.by_hand(scene, before=comment, packed=packed), ["PNG"]),
    ]
    children = ChildPool(Settings().replace(worker_processes=1))
    await children.start()
    for number, (data, named) in enumerate(damaged):
        folder = tmp_path / str(number)
        folder.mkdir()
        answer: dict[str, Any] = await children.run(request(folder, data), ignore)
        (result,) = answer["results"]
        assert [note.split()[1] for note in result["notes"]] == named
    half = tmp_path / "half"
    half.mkdir()
    answer = await children.run(request(half, jpeg[: len(jpeg) // 2]), ignore)
    assert answer["error"]["code"] == "bad_image"
    assert 0.4 < answer["error"]["measured"] < 0.6
    await children.stop()
