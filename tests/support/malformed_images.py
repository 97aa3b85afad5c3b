"""Malformed pictures: valid files with harmful changes.

``choose(n)`` returns 0 to n - 1 and decides what is changed: hypothesis, or a seeded generator.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image

from models.images.inspect import InputFormat
from tests.support import images, input_files
from tests.support.images import chunk, encoded

Choose = Callable[[int], int]
Change = Callable[[bytes, Choose], bytes]

_SIDE = (24, 20)
_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@cache
def _many_zeros() -> bytes:
    """Return 80 kB; unpacked they are more than a comment may have."""
    return zlib.compress(bytes(80_000_000), 9)


def _exif() -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = 6
    return made


def _profile(space: bytes) -> bytes:
    return bytes(16) + space + bytes(2000)


def _valid_files() -> list[bytes]:
    picture = Image.fromarray(images.scene(*_SIDE))
    wide = (images.scene(*_SIDE).astype(np.uint16) * 257).astype(np.uint16)
    key = (1, 2, 3)
    return [
        encoded(picture),
        encoded(picture.convert("L")),
        encoded(picture.convert("P"), transparency=0),
        encoded(picture.convert("1")),
        encoded(picture.convert("RGBA"), exif=_exif()),
        encoded(picture, icc_profile=_profile(b"RGB ")),
        images.by_hand(wide),
        images.by_hand(wide[:, :, 0], interlaced=True, key=(7,)),
        images.by_hand(wide, interlaced=True, key=key),
        images.by_hand(wide, before=chunk(b"gAMA", struct.pack(">I", 45455))),
        encoded(picture, save_all=True, append_images=[picture.rotate(90)]),
        encoded(picture, "JPEG"),
        encoded(picture, "JPEG", progressive=True),
        encoded(picture, "JPEG", exif=_exif(), comment=b"hello"),
        encoded(picture.convert("L"), "JPEG"),
        encoded(picture.convert("CMYK"), "JPEG", icc_profile=_profile(b"CMYK")),
        encoded(picture, "JPEG", restart_marker_blocks=1),
        encoded(picture, "MPO", save_all=True, append_images=[picture]),
        encoded(picture.convert("P"), "GIF"),
        encoded(picture, "WEBP"),
        *(whole for kind in ("webp", "avif", "tiff", "bmp", "heic") for whole in _several(kind)),
    ]


def _several(kind: InputFormat) -> list[bytes]:
    return input_files.samples()[kind][-4:]


VALID_FILES = _valid_files()


def make(choose: Choose) -> bytes:
    """Return one file, changed one to three times; a PNG often with valid checksums."""
    data = VALID_FILES[choose(len(VALID_FILES))]
    for _ in range(1 + choose(3)):
        data = CHANGES[choose(len(CHANGES))](data, choose)
    return with_valid_checksums(data) if choose(4) else data


def _flip(data: bytes, choose: Choose) -> bytes:
    changed = bytearray(data)
    for _ in range(1 + choose(4)):
        changed[choose(len(data))] ^= 1 << choose(8)
    return bytes(changed)


def _cut(data: bytes, choose: Choose) -> bytes:
    return data[: max(1, choose(len(data)))]


def _remove(data: bytes, choose: Choose) -> bytes:
    at = choose(len(data))
    return data[:at] + data[at + 1 + choose(40) :] or b"\0"


def _double(data: bytes, choose: Choose) -> bytes:
    at, length = choose(len(data)), 1 + choose(300)
    return data[:at] + data[at : at + length] * (1 + choose(200)) + data[at:]


def _run(data: bytes, choose: Choose) -> bytes:
    at, filler = choose(len(data)), (b"\0", b"\xff", b"\xff\xe1", b"\xff\xda\0\2", b";")[choose(5)]
    return data[:at] + filler * (1 + choose(60_000)) + data[at:]


def _number(data: bytes, choose: Choose) -> bytes:
    size, value = (1, 2, 4)[choose(3)], _EXTREMES[choose(len(_EXTREMES))]
    at = choose(max(1, len(data) - size))
    put = (value & ((1 << 8 * size) - 1)).to_bytes(size, "big" if choose(2) else "little")
    return data[:at] + put + data[at + size :]


def _resize(data: bytes, choose: Choose) -> bytes:
    """Change the size in the header: a bomb, or nothing at all."""
    width, height = (
        (0, 1, 3, 1999, 2001, 30_000, 65_535, 1_000_000, 0x7FFFFFFF)[choose(9)] for _ in range(2)
    )
    if data.startswith(_SIGNATURE):
        return data[:16] + struct.pack(">II", width, height) + data[24:]
    if data.startswith(b"GIF"):
        return data[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + data[10:]
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        at = data.find(marker)
        if at >= 0:
            sides = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
            return data[: at + 5] + sides + data[at + 9 :]
    return data


def _stuff(data: bytes, choose: Choose) -> bytes:
    """Insert a large or odd chunk or segment after the header."""
    body = (b"", b"\0", b"a" * 70_000, bytes(1_000_000), _many_zeros())[choose(5)]
    if data.startswith(_SIGNATURE):
        kind, head = (
            (b"zTXt", b"a\0\0"),
            (b"iCCP", b"a\0\0"),
            (b"iTXt", b"a\0\1\0\0\0"),
            (b"tEXt", b"a\0"),
            (b"eXIf", b"II*\0\xff\xff\xff\xff"),
            (b"tRNS", b""),
            (b"PLTE", b""),
            (b"IDAT", b""),
            (b"acTL", struct.pack(">II", 0xFFFFFFFF, 0)),
            (b"fcTL", bytes(4) + struct.pack(">IIII", 30_000, 30_000, 1, 1) + bytes(6)),
            (b"gAMA", b"\0\0\0\0"),
            (b"IHDR", b"\0\0\0\1\0\0\0\1\x08\2\0\0\0"),
        )[choose(12)]
        return data[:33] + chunk(kind, head + body) * (1 + choose(3)) + data[33:]
    marker, head = ((0xE1, b"Exif\0\0MM\0*"), (0xE2, b"ICC_PROFILE\0\1\1"), (0xFE, b""))[choose(3)]
    part = (head + body)[:65_000]
    segment = bytes((0xFF, marker)) + struct.pack(">H", len(part) + 2) + part
    return data[:2] + segment * (1 + choose(3)) + data[2:]


def _samples(data: bytes, choose: Choose) -> bytes:
    """Replace the samples of a PNG: far too many, none, or invalid zlib data."""
    packed = (_many_zeros(), zlib.compress(b""), b"\0" * 100, zlib.compress(bytes(10)))[choose(4)]
    at = data.find(b"IDAT") - 4
    if not data.startswith(_SIGNATURE) or at < 0:
        return data
    return data[:at] + chunk(b"IDAT", packed) + data[at:][_whole_chunk(data, at) :]


def _whole_chunk(data: bytes, at: int) -> int:
    return 12 + int.from_bytes(data[at : at + 4], "big")


def _polyglot(data: bytes, choose: Choose) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.html", "<script>alert(1)</script>")
    other = (
        packed.getvalue(),
        b"<script>alert(1)</script>",
        b"%PDF-1.7",
        VALID_FILES[0],
        VALID_FILES[11],
    )
    extra = other[choose(len(other))]
    return data + extra if choose(2) else extra + data


def _crossed(data: bytes, choose: Choose) -> bytes:
    other = VALID_FILES[choose(len(VALID_FILES))]
    return (data[: choose(len(data))] + other[choose(len(other)) :]) or b"\0"


CHANGES: tuple[Change, ...] = (
    *(_flip, _cut, _remove, _double, _run, _number),
    *(_resize, _stuff, _samples, _polyglot, _crossed),
)


def with_valid_checksums(data: bytes) -> bytes:
    """Return a PNG with correct checksums, so that the decoder reads its chunks."""
    if not data.startswith(_SIGNATURE):
        return data
    whole, at = bytearray(data), 8
    while at + 12 <= len(whole):
        end = at + _whole_chunk(data, at)
        if end > len(whole):
            break
        whole[end - 4 : end] = zlib.crc32(whole[at + 4 : end - 4]).to_bytes(4, "big")
        at = end
    return bytes(whole)
