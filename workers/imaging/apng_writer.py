"""Write an animated PNG (PNG specification, third edition, clause 11.3.2) frame by frame."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from workers.imaging import png_writer
from workers.imaging.animation import Box, changed_box
from workers.imaging.png_chunks import chunk
from workers.imaging.png_layout import RGBA, Layout

_LONGEST_IN_MS = 65_535
_KEEP, _REPLACE = 0, 0  # what was shown stays; the frame's pixels replace it, alpha too


def write(
    file: BinaryIO,
    frames: Iterable[tuple[NDArray[np.uint8], int]],
    count: int,
    plays: int,
    level: int,
    chunks: bytes = b"",
) -> None:
    """Write ``frames``, (h, w, 4) RGBA with their milliseconds, ``count`` in all, into ``file``.

    ``plays``: 0 without end. ``level``: PNG_LEVEL. ``chunks``: those that follow the header. A
    frame holds the part that changed.

    Raises:
        OSError: the disk is full.
    """
    last: NDArray[np.uint8] | None = None
    number = 0  # of each fcTL and fdAT
    for canvas, milliseconds in frames:
        if last is None:
            box = (0, 0, canvas.shape[1], canvas.shape[0])
            file.write(png_writer.SIGNATURE + _layout(canvas).header + chunks)
            file.write(chunk(b"acTL", struct.pack(">II", count, plays)))
        else:
            box = changed_box(last, canvas)
        file.write(_control(number, box, milliseconds))
        number += 1
        x, y, width, height = box
        part = _layout(canvas[y : y + height, x : x + width])
        for data in png_writer.compressed(part, level):
            if last is None:
                file.write(chunk(b"IDAT", data))
            else:
                file.write(chunk(b"fdAT", struct.pack(">I", number) + data))
                number += 1
        last = canvas
    file.write(chunk(b"IEND", b""))


def _layout(rgba: NDArray[np.uint8]) -> Layout:
    height, width = rgba.shape[:2]

    def rows(part: slice) -> NDArray[np.uint8]:
        some = np.ascontiguousarray(rgba[part])
        return some.reshape(some.shape[0], -1)

    return Layout(width, height, 8, RGBA, rows)


def _control(number: int, box: Box, milliseconds: int) -> bytes:
    """Return the chunk fcTL of a frame."""
    x, y, width, height = box
    delay = (milliseconds, 1000)
    if milliseconds > _LONGEST_IN_MS:
        delay = (min(round(milliseconds / 1000), 65_535), 1)
    return chunk(
        b"fcTL",
        struct.pack(">IIIIIHHBB", number, width, height, x, y, *delay, _KEEP, _REPLACE),
    )
