"""Pictures made by the tests: deterministic, with edges and texture, small."""

from __future__ import annotations

import io
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
