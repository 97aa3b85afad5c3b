"""Layouts of a PNG's samples: what its header says, and the bytes of its rows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from workers.imaging.picture import Picture, Pixels
from workers.imaging.png_chunks import chunk

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types (PNG specification, 11.2.1)."""
_CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}


@dataclass(frozen=True)
class Layout:
    """``rows``: returns the bytes of some rows, (n, bytes) uint8, as the file holds them.

    ``depth``: bits a sample. ``chunks``: PLTE and tRNS.
    """

    width: int
    height: int
    depth: int
    colour_type: int
    rows: Callable[[slice], Pixels]
    chunks: bytes = b""

    @property
    def row_bytes(self) -> int:
        return -(-self.width * self.depth * _CHANNELS[self.colour_type] // 8)

    @property
    def distance(self) -> int:
        """Bytes from a sample to that of the next pixel, at least 1."""
        return max(1, self.depth * _CHANNELS[self.colour_type] // 8)

    @property
    def header(self) -> bytes:
        """The chunk IHDR."""
        sides = (self.width, self.height)
        return chunk(
            b"IHDR", struct.pack(">IIBBBBB", *sides, self.depth, self.colour_type, 0, 0, 0)
        )


def full(picture: Picture) -> Layout:
    """Return the layout that holds any picture of the depth and channels of ``picture``."""
    pixels, alpha = picture.pixels, picture.alpha
    types = (GRAY, GRAY_ALPHA) if pixels.ndim == 2 else (RGB, RGBA)

    def rows(part: slice) -> Pixels:
        samples = np.ascontiguousarray(pixels[part])
        if samples.ndim == 3:
            samples = np.asarray(cv2.cvtColor(samples, cv2.COLOR_BGR2RGB))
        if alpha is not None:
            samples = np.dstack([samples, alpha[part]])
        if picture.is_16_bit:
            samples = samples.astype(">u2")
        return samples.reshape(samples.shape[0], -1).view(np.uint8)

    depth = 16 if picture.is_16_bit else 8
    return Layout(picture.width, picture.height, depth, types[alpha is not None], rows)
