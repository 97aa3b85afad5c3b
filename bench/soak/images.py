"""Images for the soak: valid ones, all different, and hostile ones."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

PNG = b"\x89PNG\r\n\x1a\n"


def valid(rng: random.Random, kind: str, most: int = 120) -> bytes:
    """Return a distinct picture of at most ``most`` pixels a side."""
    width, height = rng.randint(16, most), rng.randint(16, most)
    noise = np.random.default_rng(rng.getrandbits(64))
    small = noise.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    written = io.BytesIO()
    image.save(written, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return written.getvalue()


def _chunk(kind: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    check = zlib.crc32(kind + data) ^ wrong
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _png(
    width: int, height: int, packed: bytes, before: bytes = b"", *, wrong: bool = False
) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", head) + before + _chunk(b"IDAT", packed, wrong=wrong)
    return PNG + body + _chunk(b"IEND", b"")


def _bomb(width: int, height: int) -> bytes:
    """Return a small file that unpacks to ``width`` x ``height``."""
    pack = zlib.compressobj(9)
    row = bytes(1 + width * 3)
    return _png(width, height, b"".join(pack.compress(row) for _ in range(height)) + pack.flush())


LARGE = _bomb(20_000, 1600)  # sound, if anybody means it; said to be larger below
_LYING_HEADER = LARGE.replace(struct.pack(">II", 20_000, 1600), struct.pack(">II", 20_000, 20_000))
_PROFILE = zlib.compress(bytes(4_000_000), 9)
_PROFILE_BYTES = 512 * 1024  # what the smallest picture may carry


def truncated(rng: random.Random) -> bytes:
    data = valid(rng, rng.choice(["PNG", "JPEG"]))
    return data[: rng.randint(1, len(data) - 1)]


def flipped_bits(rng: random.Random) -> bytes:
    """Return a JPEG with a few bytes changed: most still parse."""
    data = bytearray(valid(rng, "JPEG"))
    for _ in range(rng.randint(1, 20)):
        data[rng.randrange(2, len(data))] = rng.getrandbits(8)
    return bytes(data)


def bad_zlib(rng: random.Random) -> bytes:
    """Return a PNG with right checksums and wrong compressed data."""
    kind = rng.choice(["noise", "short", "torn"])
    if kind == "noise":
        packed = rng.randbytes(300)
    elif kind == "short":
        packed = zlib.compress(b"\x07" * 500)
    else:
        packed = zlib.compress(rng.randbytes(1_000_000), 1)[:900_000]
    return _png(rng.randint(1, 300), rng.randint(1, 300), packed)


def wrong_checksum(rng: random.Random) -> bytes:
    return _png(8, 8, zlib.compress((b"\0" + rng.randbytes(24)) * 8), wrong=True)


def bomb(rng: random.Random) -> bytes:
    """Return a decompression bomb: in its header, its pixels or its profile."""
    if rng.random() < 0.4:
        return _LYING_HEADER
    if rng.random() < 0.5:
        return _png(2**31 - 1, 2**31 - 1, zlib.compress(b""))
    profile = _chunk(b"iCCP", b"x\0\0" + _PROFILE)
    return _png(8, 8, zlib.compress((b"\0" + rng.randbytes(24)) * 8), profile)


def with_profile(rng: random.Random) -> bytes:
    """Return a PNG of a few kilobytes whose sound colour profile unpacks to 512 KiB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    padded = struct.pack(">I", _PROFILE_BYTES) + profile[4:].ljust(_PROFILE_BYTES - 4, b"\0")
    packed = zlib.compress((b"\0" + rng.randbytes(96)) * 32)
    return _png(32, 32, packed, _chunk(b"iCCP", b"x\0\0" + zlib.compress(padded, 9)))


def hollow(rng: random.Random) -> bytes:
    """Return a JPEG or PNG of 49 megapixels that holds next to nothing."""
    if rng.random() < 0.5:
        return _png(7000, 7000, zlib.compress(rng.randbytes(20)))
    jpeg, size = valid(rng, "JPEG"), struct.pack(">HH", 7000, 7000)
    at = jpeg.index(b"\xff\xc0") + 5
    scan = jpeg.index(b"\xff\xda")
    return jpeg[:at] + size + jpeg[at + 4 : scan + 14] + jpeg[-2:]


def not_an_image(rng: random.Random) -> bytes:
    return rng.choice(
        [b"", b"GIF89a", b"<svg/>", PNG, b"\xff\xd8\xff", b"hello" * 100, rng.randbytes(500)]
    )


HOSTILE = {
    "torn": truncated,
    "bytes changed": flipped_bits,
    "samples that are none": bad_zlib,
    "wrong checksum": wrong_checksum,
    "bomb": bomb,
    "hollow": hollow,
    "no picture": not_an_image,
}
