"""The chunks of a PNG: which must be sound, and what may be missing at the end."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from models.errors import BadImage
from tests.models.images import look
from tests.support import images


@pytest.mark.parametrize("kind", ["tEXt", "iCCP", "eXIf", "tRNS", "abCd"])
def test_wrong_checksum_of_an_ancillary_chunk_costs_nothing(kind: str) -> None:
    whole = images.png()
    turned = struct.pack("<4sIHHHIH", b"II*\0", 8, 1, 0x112, 3, 1, 6)
    wrong = bytearray(images.chunk(kind.encode(), turned))
    wrong[-1] ^= 1
    for at in (33, len(whole) - 12):
        header = look(whole[:at] + wrong + whole[at:])
        assert (header.width, header.height) == (40, 30)  # an orientation in it does not count


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT"])
def test_wrong_checksum_of_a_critical_chunk_is_refused(kind: bytes) -> None:
    data = bytearray(images.encoded(Image.fromarray(images.scene()).quantize(16)))
    at = data.index(kind)
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    data[end] ^= 1
    with pytest.raises(BadImage, match=f"wrong checksum in its chunk number ., '{kind.decode()}'"):
        look(bytes(data))


@pytest.mark.parametrize(
    "end", [b"", b"\0", b"\0\0\0\0IEND", bytes(40), b"\0\0\1\0tEXtabc", b"<html>ab"]
)
def test_png_without_its_end_chunk(end: bytes) -> None:
    assert look(images.png()[:-12] + end).width == 40
