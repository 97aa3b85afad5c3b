"""A writer of 16-bit PNGs, for what neither OpenCV nor Pillow writes.

That is gray with alpha, and any samples with a profile that libpng refuses.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_BAND = 1 << 20  # bytes filtered at once: on the way they take some sixteen times as much
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels: gray, gray and alpha, RGB, RGBA
_PAETH = 4


def encoded(samples: NDArray[np.uint16], icc: bytes | None, level: int) -> bytes:
    """Return the PNG (ISO/IEC 15948) of ``samples``, with ``icc`` just as it is.

    ``samples``: uint16, (h, w) gray or (h, w, channels): gray and alpha, RGB, RGBA. ``level``:
    PNG_LEVEL, 0 to 9. All rows have the Paeth filter, and level 1 looks for runs only, as in what
    OpenCV is told to write (``codec.png_flags``).
    """
    height, width = samples.shape[:2]
    channels = samples.shape[2] if samples.ndim == 3 else 1
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[channels], 0, 0, 0)
    profile = () if icc is None else (_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)),)
    strategy = zlib.Z_RLE if level == 1 else zlib.Z_FILTERED
    packer = zlib.compressobj(level, strategy=strategy)
    packed = (packer.compress(rows) for rows in _filtered(samples.reshape(height, -1), channels))
    data = [_chunk(b"IDAT", part) for part in packed if part]
    last = _chunk(b"IDAT", packer.flush())
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            *profile,
            *data,
            last,
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _filtered(lines: NDArray[np.uint16], channels: int) -> Iterator[bytes]:
    """Yield bands of filtered rows (clause 9) of ``lines``, (h, w * channels)."""
    step, size = 2 * channels, 2 * lines.shape[1]
    rows = max(1, _BAND // size)
    above = np.zeros((1, size), np.int16)
    for top in range(0, len(lines), rows):
        band = lines[top : top + rows].astype(">u2").view(np.uint8).astype(np.int16)
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
