"""Every kind of PNG and JPEG is decoded, and written, to the same pixels."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support import images, png16

Array = NDArray[Any]

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [
    (colour, depth, transparent)  # alpha and a transparent colour exclude each other
    for colour, depths in DEPTHS.items()
    for depth in depths
    for transparent in ([False] if colour in {4, 6} else [False, True])
]
SIZES = [(1, 1), (3, 2), (5, 9), (33, 17)]
_WHOLE = ((0, 0, 1, 1),)


def filtered(row: Array, above: Array, pixel: int, kind: int) -> Array:
    """Return the bytes of ``row`` after PNG's filter ``kind`` (ISO/IEC 15948, clause 9)."""
    left, corner = (np.concatenate([np.zeros(pixel, int), x])[: len(row)] for x in (row, above))
    estimate = left + above - corner
    near = [np.abs(estimate - each) for each in (left, above, corner)]
    paeth = np.where(
        (near[0] <= near[1]) & (near[0] <= near[2]),
        left,
        np.where(near[1] <= near[2], above, corner),
    )
    base = [np.zeros_like(row), left, above, (left + above) // 2, paeth][kind]
    return np.asarray((row - base) % 256)


def packed(samples: Array, depth: int) -> Array:
    """Return (rows, bytes) of samples (rows, columns * channels) of ``depth`` bits."""
    if depth == 16:
        return samples.astype(">u2").view(np.uint8).astype(int)
    bits = (samples[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.reshape(len(samples), -1).astype(np.uint8), axis=1).astype(int)


def png(samples: Array, colour: int, depth: int, interlaced: bool, chunks: bytes) -> bytes:
    """Return a PNG of ``samples`` (height, width, channels), whose rows use all filters in turn."""
    height, width, channels = samples.shape
    pixel = max(1, channels * depth // 8)
    data, number = b"", 0
    for x0, y0, dx, dy in images.ADAM7 if interlaced else _WHOLE:
        part = samples[y0::dy, x0::dx]
        if not part.size:
            continue
        rows = packed(part.reshape(len(part), -1), depth)
        above = np.zeros_like(rows[0])
        for row in rows:
            kind = number % 5
            data += bytes([kind]) + filtered(row, above, pixel, kind).astype(np.uint8).tobytes()
            above, number = row, number + 1
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    middle = len(data) // 2  # samples in several chunks, one of them empty
    compressed = zlib.compress(data)
    cut = min(middle, len(compressed) - 1)
    parts = [compressed[:cut], b"", compressed[cut:]]
    body = b"".join(images.chunk(b"IDAT", part) for part in parts)
    head = images.chunk(b"IHDR", header)
    return b"\x89PNG\r\n\x1a\n" + head + chunks + body + images.chunk(b"IEND", b"")


def as_rgba(data: bytes) -> Array:
    """Return a PNG as RGBA from 0 to 1."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    full = 65535 if pixels.dtype == np.uint16 else 255
    opaque = np.full(pixels.shape[:2], full, pixels.dtype)
    if data[24] < 8 and data[25] == 0 and b"tRNS" in data:  # OpenCV does not read it
        key = int.from_bytes(data[data.index(b"tRNS") + 4 :][:2], "big")
        opaque[pixels == key * full // (2 ** data[24] - 1)] = 0
    if pixels.ndim == 2:
        pixels = np.dstack([pixels] * 3)
    if pixels.shape[2] == 3:
        pixels = np.dstack([pixels, opaque])
    return np.asarray(pixels[:, :, [2, 1, 0, 3]] / full)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour", "depth", "transparent"), KINDS)
def test_every_kind_of_png_keeps_its_pixels(
    tmp_path: Path, colour: int, depth: int, transparent: bool, interlaced: bool
) -> None:
    rng = np.random.default_rng(colour * 100 + depth)
    full = 2**depth - 1
    for width, height in SIZES:
        samples = rng.integers(0, full + 1, (height, width, CHANNELS[colour]))
        chunks, key = b"", samples[0, 0]
        if colour == 3:
            palette = rng.integers(0, 256, (full + 1, 3))
            chunks = images.chunk(b"PLTE", palette.astype(np.uint8).tobytes())
            opacity = rng.integers(0, 256, (full + 1) // 2)
            if transparent:
                chunks += images.chunk(b"tRNS", opacity.astype(np.uint8).tobytes())
        elif transparent:
            chunks = images.chunk(b"tRNS", key.astype(">u2").tobytes())
        data = png(samples, colour, depth, interlaced, chunks)
        ((output, result),) = png16.results(tmp_path, data)
        assert output.notes == ()
        if colour == 3:
            alpha = np.full(full + 1, 255)
            if transparent:
                alpha[: len(opacity)] = opacity
            expected = np.column_stack([palette, alpha])[samples[:, :, 0]] / 255
        else:
            light = samples[:, :, :3] if colour in {2, 6} else samples[:, :, :1].repeat(3, axis=2)
            if colour in {4, 6}:
                alpha = samples[:, :, -1]
            elif transparent:
                alpha = np.where((samples == key).all(axis=2), 0, full)
            else:
                alpha = np.full(samples.shape[:2], full)
            expected = np.dstack([light, alpha]) / full
        assert np.abs(as_rgba(result) - expected).max() < 1e-6, (width, height)


@pytest.mark.parametrize("ending", ["whole", "without end marker", "with a trailer"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_kind_of_jpeg_keeps_its_pixels(tmp_path: Path, mode: str, ending: str) -> None:
    sides = [(1, 1), (8, 8), (17, 9), (40, 33)]
    samplings = [0, 1, 2] if mode == "RGB" else [0]
    kinds = itertools.product(sides, samplings, (False, True), (False, True), (0, 1))
    for (width, height), sampling, progressive, optimize, restart in kinds:
        options: dict[str, Any] = {"progressive": progressive, "optimize": optimize}
        if restart:
            options["restart_marker_rows"] = 1
        image = Image.fromarray(images.scene(max(width, 2), max(height, 2))).convert(mode)
        image = image.crop((0, 0, width, height))
        data = images.encoded(image, "JPEG", quality=80, subsampling=sampling, **options)
        sent = {
            "whole": data,
            "without end marker": data[:-2],
            "with a trailer": data + b"\0\0\0\x18ftypmp42" + bytes(500),
        }[ending]
        ((_, result),) = png16.results(tmp_path, sent)
        expected = np.asarray(Image.open(io.BytesIO(data)))
        assert (np.asarray(Image.open(io.BytesIO(result))) == expected).all(), (width, options)
