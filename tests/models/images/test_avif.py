"""AVIF files, judged by their boxes: whole ones pass, every cut or broken one is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.errors import BadImage
from models.images.avif import read_size
from tests.support import images


def written(mode: str, width: int = 61, height: int = 51, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(images.scene(width, height)).convert(mode).save(buffer, "AVIF", **options)
    return buffer.getvalue()


def exif(tag: int, value: object) -> bytes:
    block = Image.Exif()
    block[tag] = value
    return block.tobytes()


SAMPLES = [
    written("RGB"),
    written("RGBA", quality=100),
    written("L"),
    written("RGB", exif=exif(0x0131, "test"), xmp=b"<x/>", icc_profile=b"no"),
    written("RGB", 1, 1),
]


def test_sizes() -> None:
    assert [read_size(data) for data in SAMPLES] == [(61, 51)] * 4 + [(1, 1)]


def test_truncated_or_extended_files_are_refused() -> None:
    for data in SAMPLES:
        for end in range(len(data)):
            with pytest.raises(BadImage):
                read_size(data[:end])
        for more in (b"\0", b"<html>"):
            with pytest.raises(BadImage):
                read_size(data + more)


def test_broken_heads_are_refused_or_harmless() -> None:
    """Each byte before the samples, changed in five ways: a size, or BadImage."""
    refused = 0
    rng = np.random.default_rng(0)
    for data in SAMPLES:
        for at in range(data.index(b"mdat")):
            for value in (0, 1, 127, 255, int(rng.integers(256))):
                changed = bytearray(data)
                changed[at] = value
                try:
                    width, height = read_size(bytes(changed))
                except BadImage:
                    refused += 1
                else:
                    assert width > 0 and height > 0
    assert refused > 1000


class Counted(bytes):
    """Bytes that count how often a part of them is looked at."""

    looks = 0

    def __getitem__(self, key: Any) -> Any:
        self.looks += 1
        return super().__getitem__(key)


def box(kind: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4) + kind + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        box(b"ftyp", b"avif\0\0\0\0"),
        box(b"ftyp", b"mif1\0\0\0\0heic") + SAMPLES[0][32:],
        box(b"free", b"") * 100_001,
        box(b"ftyp", b"avif\0\0\0\0") + b"\0\0\0\x01meta" + b"\xff" * 8,
        box(b"ftyp", b"avif\0\0\0\0") + b"\0\0\0\x02meta",
        box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", bytes(4) + box(b"iloc", b"\0" * 4)),
        written("RGB", exif=exif(0x0112, 6)),
    ],
    ids=["empty", "no-meta", "heic", "many-boxes", "long", "short", "no-offsets", "turned"],
)
def test_hostile_files_are_refused(data: bytes) -> None:
    with pytest.raises(BadImage):
        read_size(data)


def meta(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4) + b"".join(boxes))


# Each item lists 65535 extents, whose places and sizes take no bytes.
EXTENTS = box(b"iloc", bytes(6) + (300).to_bytes(2) + b"\0\1\0\0\xff\xff" * 300)
ENTRIES = box(b"ipma", bytes(4) + (90_000).to_bytes(4) + b"\0\1\0" * 90_000)


@pytest.mark.parametrize(
    "data",
    [
        box(b"ftyp", b"none" * 50_000),
        meta(EXTENTS),
        meta(
            box(b"iloc", bytes(8)),
            box(b"pitm", bytes(4) + b"\0\5"),
            box(b"iprp", box(b"ipco", b"") + ENTRIES),
        ),
        meta(box(b"iloc", bytes(6) + b"\xff\xff" + b"\0\1\0\0\0\0" * 65_535)),
    ],
    ids=["brands", "extents", "properties", "items"],
)
def test_long_lists_are_not_walked(data: bytes) -> None:
    """Small files of a hostile child that would keep its worker busy for seconds, or hours."""
    counted = Counted(data)
    with pytest.raises(BadImage):
        read_size(counted)
    assert counted.looks < 5000
