"""The segments of a JPEG: where its picture ends, which scans are missing, kinds not decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.errors import BadImage, UnsupportedFormat
from models.images import jpeg
from models.images.inspect import ImageHeader
from tests.models.images import look
from tests.support import images


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize(
    "trailer",
    [
        b"",
        bytes(300),
        b"SEFHe\0\0\0SEFT",
        b"\xff\xda\x00\x08\x01\x01\0\0\x3f\0" * 300,  # more scans than are allowed
        b"\xff\xc0\x00\x11\x08\x00\x01\x00\x01" + bytes(40),  # another frame
        b"\xff\xc9\x00\x11\x0c\x00\x01\x00\x01" + bytes(40),  # of a kind not decoded
        images.jpeg(16, 16),
        np.random.default_rng(0).integers(0, 256, 300_000, np.uint8).tobytes(),
    ],
)
def test_the_end_of_a_jpeg_is_found_without_its_marker(
    options: dict[str, Any], trailer: bytes
) -> None:
    whole = images.jpeg(64, 48, **options)
    for data, has_marker in ((whole, True), (whole + trailer, True), (whole[:-2] + trailer, False)):
        assert look(data) == ImageHeader("jpeg", 64, 48)
        layout = jpeg.read_layout(data)
        assert layout.is_complete and layout.has_end_marker == has_marker
        coded = data[: layout.end]
        if has_marker:
            assert coded == whole[:-2]
        else:  # what has no marker counts as data of the scan
            assert coded.startswith(whole[:-2])
            assert b"\xff\xc0" not in coded[len(whole) :]


def test_scans_that_are_missing_are_noticed() -> None:
    whole = images.jpeg(64, 48, progressive=True)
    assert jpeg.read_layout(whole).is_complete
    for at in range(whole.index(b"\xff\xda") + 2, len(whole)):
        if whole[at : at + 2] == b"\xff\xda":
            layout = jpeg.read_layout(whole[:at] + b"\xff\xd9")
            assert not layout.is_complete and not layout.lacks_component


@pytest.mark.parametrize(
    ("marker", "precision", "named"),
    [
        (0xC0, 12, "JPEG of 12 bits a sample"),
        (0xC1, 12, "JPEG of 12 bits a sample"),
        (0xC3, 16, "JPEG of 16 bits a sample"),
        (0xC5, 8, "hierarchical JPEG"),
        (0xCB, 8, "lossless arithmetic-coded JPEG"),
        (0xF7, 8, "JPEG-LS file"),
    ],
)
def test_jpegs_that_are_not_decoded_are_named(marker: int, precision: int, named: str) -> None:
    data = bytearray(images.jpeg())
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, precision
    with pytest.raises(UnsupportedFormat, match=f"this is a {named}; send a JPEG of 8 bits") as e:
        look(bytes(data))
    assert e.value.facts["measured"] == named


def test_tables_are_limited() -> None:
    whole = images.jpeg()
    assert look(whole[:2] + b"\xff\xdb\0\2" * 3000 + whole[2:]).width == 40
    with pytest.raises(BadImage, match="more than 4000 tables"):
        look(whole[:2] + b"\xff\xdb\0\2" * 4001 + whole[2:])


def test_jpeg_without_a_height_is_named() -> None:
    data = bytearray(images.jpeg())
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 7] = b"\0\0"
    with pytest.raises(UnsupportedFormat, match="gives its height after its first scan"):
        look(bytes(data))


def test_jpeg_of_two_components_is_named() -> None:
    data = bytes.fromhex("ffd8ffc0000e0800100010020111000211 00".replace(" ", ""))
    with pytest.raises(UnsupportedFormat, match="JPEG of 2 components"):
        look(data + bytes.fromhex("ffd9"))
