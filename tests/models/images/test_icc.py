"""The unpacked size of a colour profile is read from the file, and limited."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from models.errors import BadImage
from models.images.icc import MAX_PROFILE_BYTES, check_profile
from models.images.inspect import inspect
from tests.support import images
from tests.support.icc_profiles import matrix_profile

PROFILE = matrix_profile("wide", ((0.7, 0.3), (0.2, 0.7), (0.15, 0.05)), 2.2)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with_profile(packed: bytes, name: bytes = b"icc") -> bytes:
    png = images.png(12, 8)
    after_header = 8 + 25
    content = chunk(b"iCCP", name + b"\0\0" + packed)
    return png[:after_header] + content + png[after_header:]


def jpeg_with_profile(*parts: bytes) -> bytes:
    jpeg = images.jpeg(12, 8)
    segments = b""
    for number, part in enumerate(parts, 1):
        content = b"ICC_PROFILE\0" + bytes([number, len(parts)]) + part
        segments += b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
    return jpeg[:2] + segments + jpeg[2:]


def profile_bytes(tmp_path: Path, data: bytes) -> int:
    path = tmp_path / "picture"
    path.write_bytes(data)
    with path.open("rb") as file:
        return inspect(file).profile_bytes


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (images.png(), 0),
        (images.jpeg(), 0),
        (png_with_profile(zlib.compress(PROFILE)), len(PROFILE)),
        (png_with_profile(zlib.compress(PROFILE), b"n" * 500), len(PROFILE)),
        (png_with_profile(b"not deflate"), 0),
        (png_with_profile(zlib.compress(bytes(64 << 20))), MAX_PROFILE_BYTES + 1),
        (jpeg_with_profile(PROFILE), len(PROFILE)),
        (jpeg_with_profile(b"a" * 60_000, b"b" * 40_000), 100_000),
    ],
    ids=["png", "jpeg", "in png", "long name", "broken", "bomb", "in jpeg", "two parts"],
)
def test_unpacked_size_of_the_profile(tmp_path: Path, data: bytes, expected: int) -> None:
    assert profile_bytes(tmp_path, data) == expected


def test_of_several_profiles_the_first_sound_one_counts(tmp_path: Path) -> None:
    first = png_with_profile(zlib.compress(PROFILE))
    more = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(3 << 20), 9)) * 1000
    assert profile_bytes(tmp_path, first[:-12] + more + first[-12:]) == len(PROFILE)
    at = first.index(b"iCCP") + 4 + len(b"icc\0\0")
    broken = first[:at] + b"\0" + first[at + 1 :]
    profile = chunk(b"iCCP", b"b\0\0" + zlib.compress(PROFILE))
    assert profile_bytes(tmp_path, broken) == 0
    assert profile_bytes(tmp_path, broken[:-12] + profile + broken[-12:]) == len(PROFILE)


@pytest.mark.parametrize(
    ("size", "pixels", "limit"),
    [
        (512 * 1024 + 401, 100, 512 * 1024 + 400),
        (MAX_PROFILE_BYTES + 1, 50_000_000, MAX_PROFILE_BYTES),
    ],
)
def test_limit_grows_with_the_picture(size: int, pixels: int, limit: int) -> None:
    check_profile(limit, pixels)
    with pytest.raises(BadImage, match="convert the picture to sRGB") as refused:
        check_profile(size, pixels)
    assert refused.value.facts == {"limit": limit, "measured": size}
