"""The chunks of a PNG: which must be sound, and what may be missing at the end."""

from __future__ import annotations

import struct
import zlib

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


def test_of_single_chunks_the_first_sound_one_counts() -> None:
    exif = [struct.pack("<4sIHHHIII", b"II*\0", 8, 1, 0x112, 3, 1, turn, 0) for turn in (6, 3)]
    first, second = (images.chunk(b"eXIf", block) for block in exif)
    whole = images.png()
    wrong = second[:-1] + bytes([second[-1] ^ 1])
    for chunks, width in (
        (first + second, 30),
        (second + first, 40),
        (wrong + first + second, 30),
    ):
        assert look(whole[:33] + chunks + whole[33:]).width == width


@pytest.mark.parametrize(
    ("depth", "colour_type"), [(3, 0), (32, 0), (4, 2), (16, 3), (4, 4), (1, 6), (8, 1), (8, 7)]
)
def test_samples_that_png_does_not_have_are_refused(depth: int, colour_type: int) -> None:
    data = bytearray(images.png())
    data[24:26] = depth, colour_type
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(BadImage, match=f"colour type {colour_type} with {depth} bits"):
        look(bytes(data))


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
