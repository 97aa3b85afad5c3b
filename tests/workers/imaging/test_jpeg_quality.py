"""The quality of a JPEG is read from its tables, and goes when its pixels are changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from models.operations import parse
from tests.support import images
from tests.workers.operations import apply
from workers.imaging import jpeg_quality
from workers.imaging.codec import decode


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("quality", [1, 10, 25, 40, 50, 60, 75, 85, 90, 95, 100])
def test_the_tables_of_libjpeg_say_its_quality(tmp_path: Path, quality: int, mode: str) -> None:
    path = tmp_path / "cat.jpg"
    Image.new(mode, (16, 16)).save(path, quality=quality)
    read = decode(path, 10**6).jpeg_quality
    assert read is not None
    # Steps are rounded, and at most 255.
    assert abs(read - quality) <= (1 if quality >= 25 else 10)


def test_other_tables_have_the_nearest_quality() -> None:
    assert [jpeg_quality.of_steps(ratio) for ratio in (0.0, 0.5, 1.0, 2.0, 1e6)] == [
        *(100, 75, 50, 25, 1),
    ]


def test_only_an_unchanged_jpeg_has_one(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(images.png())
    assert decode(tmp_path / "cat.png", 10**6).jpeg_quality is None
    (tmp_path / "cat.jpg").write_bytes(images.jpeg(64, 48))
    picture = decode(tmp_path / "cat.jpg", 10**6)
    assert picture.jpeg_quality is not None
    assert apply(picture, parse("resize", {"scale": "0.5"})).jpeg_quality is None
    smaller = decode(tmp_path / "cat.jpg", 10**6, lambda width, height: (width // 4, height // 4))
    assert smaller.full_size == (64, 48)
    assert smaller.jpeg_quality is None
