"""Small deterministic test images with edges and texture."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def scene(width: int = 40, height: int = 30, seed: int = 0) -> Pixels:
    """Return (height, width, 3) RGB: smooth colour, a disc, stripes, a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    red = 128 + 100 * np.sin(x / 7 + seed)
    green = 128 + 100 * np.cos(y / 5)
    blue = 40 + 160 * ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2)
    picture = np.stack([red, green, blue], axis=2)
    picture[:, ::8] *= 0.5
    picture += rng.normal(0, 4, picture.shape)
    pixels: Pixels = np.clip(picture, 0, 255).astype(np.uint8)
    return pixels


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int = 40, height: int = 30, seed: int = 0, **options: Any) -> bytes:
    return encoded(Image.fromarray(scene(width, height, seed)), "PNG", **options)


def jpeg(width: int = 40, height: int = 30, seed: int = 0, **options: Any) -> bytes:
    return encoded(Image.fromarray(scene(width, height, seed)), "JPEG", quality=90, **options)


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def form(data: bytes, name: str, **fields: str) -> aiohttp.FormData:
    """Return a multipart form as curl -F image=@name -F field=value sends it."""
    made = aiohttp.FormData()
    for key, value in fields.items():
        made.add_field(key, value)
    made.add_field("image", data, filename=name, content_type="application/octet-stream")
    return made


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB of two 8-bit pictures."""
    error = np.mean((a.astype(float) - b.astype(float)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw(samples: NDArray[Any], interlaced: bool = False) -> bytes:
    """Return the rows of a PNG, unfiltered and uncompressed: (h, w) or (h, w, channels)."""
    big = samples.astype(samples.dtype.newbyteorder(">"))
    rows = []
    for x0, y0, dx, dy in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = big[y0::dy, x0::dx]
        rows += [b"\0" + row.tobytes() for row in part] if part.size else []
    return b"".join(rows)


def by_hand(
    samples: NDArray[Any],
    *,
    interlaced: bool = False,
    key: tuple[int, ...] = (),
    before: bytes = b"",
    after: bytes = b"",
    packed: bytes | None = None,
) -> bytes:
    """Return a PNG of 8- or 16-bit ``samples``, RGB order, which Pillow mostly cannot write.

    ``key``: the transparent colour; ``before`` and ``after``: chunks around the samples;
    ``packed``: IDAT bytes to use instead of them.
    """
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    depth = 8 * samples.dtype.itemsize
    colour = _COLOUR_TYPE[channels]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    data = zlib.compress(raw(samples, interlaced)) if packed is None else packed
    trns = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)) if key else b""
    parts = [chunk(b"IHDR", head), before, trns, chunk(b"IDAT", data), after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
