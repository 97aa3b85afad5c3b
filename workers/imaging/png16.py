"""Write 16-bit PNGs that neither OpenCV nor Pillow writes: gray with alpha."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Samples
from workers.imaging.png_chunks import chunk

_BAND_BYTES = 1 << 20  # filtered at once; intermediate arrays take some sixteen times as much
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: gray, gray and alpha, RGB, RGBA
_PAETH = 4


def write(file: BinaryIO, pixels: Samples, alpha: Samples | None, level: int) -> None:
    """Write the PNG (ISO/IEC 15948) of 16-bit samples to ``file``.

    ``pixels``: uint16, (h, w) gray or (h, w, 3) BGR; ``alpha``: (h, w) uint16 or None. ``level``:
    PNG_LEVEL, 0 to 9. All rows use the Paeth filter, and level 1 only run lengths, like
    ``writer`` asks of OpenCV. Copies one band at a time.
    """
    height, width = pixels.shape[:2]
    parts = [pixels[:, :, None] if pixels.ndim == 2 else pixels[:, :, ::-1]]
    parts += [] if alpha is None else [alpha[:, :, None]]
    channels = sum(part.shape[2] for part in parts)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[channels], 0, 0, 0)
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
    packer = zlib.compressobj(level, strategy=zlib.Z_RLE if level == 1 else zlib.Z_FILTERED)
    for rows in _filtered(parts, channels):
        if packed := packer.compress(rows):
            file.write(chunk(b"IDAT", packed))
    file.write(chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b""))


def _filtered(parts: list[NDArray[np.uint8 | np.uint16]], channels: int) -> Iterator[bytes]:
    """Yield bands of filtered rows (clause 9) of ``parts``, each (h, w, some channels)."""
    height, width = parts[0].shape[:2]
    step, size = 2 * channels, 2 * channels * width
    rows = max(1, _BAND_BYTES // size)
    above = np.zeros((1, size), np.int16)
    for top in range(0, height, rows):
        samples = np.concatenate([part[top : top + rows] for part in parts], axis=2)
        band = samples.astype(">u2").view(np.uint8).reshape(len(samples), size).astype(np.int16)
        # One pixel of zeros on the left, one row above: the neighbours a, b and c of the standard.
        around = np.pad(np.concatenate([above, band]), ((0, 0), (step, 0)))
        a, b, c = around[1:, :-step], around[:-1, step:], around[:-1, :-step]
        to_a, to_b, to_c = abs(b - c), abs(a - c), abs(a + b - 2 * c)
        nearest = np.where(to_b <= to_c, b, c)
        np.copyto(nearest, a, where=(to_a <= to_b) & (to_a <= to_c))
        out = np.full((len(band), 1 + size), _PAETH, np.uint8)
        out[:, 1:] = (band - nearest).astype(np.uint8)
        above = band[-1:]
        yield out.tobytes()
