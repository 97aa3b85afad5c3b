"""Chunks are read from a PNG."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import images
from workers.imaging import png_chunks

CHUNK = images.chunk(b"teSt", b"content")


def test_chunks_before_the_samples_are_read(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(images.png()[:33] + CHUNK * 2 + images.png()[33:])
    assert png_chunks.read(path, b"teSt", 99) == b"content"
    assert png_chunks.read(path, b"teSt", 3) == b"con"
    assert png_chunks.read(path, b"noNe", 99) is None


@pytest.mark.parametrize("cut", [0, 8, 20, 33, 40, 50])
def test_a_file_that_ends_early_has_no_chunk(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes((images.png()[:33] + images.chunk(b"teSt", bytes(99)))[:cut])
    found = png_chunks.read(path, b"teSt", 99)
    assert found is None or len(found) < 99


def test_what_follows_the_samples_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(images.png()[:-12] + CHUNK + images.png()[-12:])
    assert png_chunks.read(path, b"teSt", 99) is None
