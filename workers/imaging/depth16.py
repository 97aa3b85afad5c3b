"""16-bit samples: read them from a PNG in full depth, reduce them to 8 bits where needed."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import BadImage
from workers.imaging.picture import Picture, Pixels, Samples

Samples16 = NDArray[np.uint16]
"""uint16, 0 to 65535: (height, width), or (height, width, channels)."""

MAX_SAMPLE = 65535
RAW_MODES = frozenset({"I;16B", "RGB;16B", "LA;16B", "RGBA;16B"})
"""Pillow's names for the stored samples of such a PNG."""

GRAY_MODES = frozenset({"I;16B", "LA;16B"})
_CHUNK_HEADER_BYTES = 8  # a chunk's length and kind; the signature is as long
_NEEDED_CHUNKS = {b"IHDR", b"tRNS", b"IDAT", b"IEND"}


def read(file: Image.Image, stored: str, path: Path) -> Picture:
    """Return pixels and alpha of a 16-bit PNG, uint16, as stored; closes ``file``.

    ``file`` is the PNG at ``path``, loaded by Pillow, so that Pillow's checks apply here too.
    Pillow keeps all 16 bits of gray but reduces colours to 8: OpenCV reads those.

    Raises:
        BadImage: OpenCV (libpng) finds the data broken.
    """
    if stored == "I;16B":
        samples, key = np.array(file, np.uint16), file.info.get("transparency")
        file.close()
        alpha = None if key is None else np.multiply(samples != key, MAX_SAMPLE, dtype=np.uint16)
    else:
        file.close()  # frees its memory before more is taken
        samples, alpha = _read_colours(path), None
    if samples.ndim == 3 and samples.shape[2] == 4:
        alpha = np.ascontiguousarray(samples[:, :, 3])
        colours = samples[:, :, 0] if stored in GRAY_MODES else samples[:, :, :3]
        samples = np.ascontiguousarray(colours)
    return Picture(samples, alpha)


def _read_colours(path: Path) -> Samples16:
    data = cv2.imdecode(_without_metadata(path), cv2.IMREAD_UNCHANGED)
    if data is None or data.dtype != np.uint16 or data.ndim != 3:
        raise BadImage("the picture cannot be decoded: its samples are broken or incomplete")
    return np.asarray(data, np.uint16)


def _without_metadata(path: Path) -> Pixels:
    """Return the bytes of the PNG without chunks that its samples do not need.

    Pillow has read the others: a second reader might apply them again, and libpng writes a log line
    for each odd chunk of a hostile file.
    """
    bare = np.empty(path.stat().st_size, np.uint8)
    view, used, needed = bare.data, _CHUNK_HEADER_BYTES, set(_NEEDED_CHUNKS)
    with path.open("rb") as file:
        file.readinto(view[:_CHUNK_HEADER_BYTES])
        while len(start := file.read(_CHUNK_HEADER_BYTES)) == _CHUNK_HEADER_BYTES:
            length, kind = struct.unpack(">I4s", start)
            if kind not in needed:
                file.seek(length + 4, 1)
                continue
            if kind == b"tRNS":
                needed.remove(kind)  # a second one does not count
            view[used : used + _CHUNK_HEADER_BYTES] = start
            used += _CHUNK_HEADER_BYTES
            used += file.readinto(view[used : used + length + 4])
            if kind == b"IEND":
                break
    return bare[:used]


def to_8_bits(samples: Samples) -> Pixels:
    """Return ``samples`` (any shape) as uint8: v * 255 / 65535, rounded; uint8 unchanged.

    That is v / 257, never half-way between two levels, so single precision is exact enough.
    """
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=255 / MAX_SAMPLE), np.uint8)


def reduce_to_8_bits(picture: Picture, note: str) -> Picture:
    """Return ``picture`` with 8 bits a sample, and with ``note`` if it had more."""
    if not picture.is_16_bit:
        return picture
    alpha = None if picture.alpha is None else to_8_bits(picture.alpha)
    return replace(
        picture, pixels=to_8_bits(picture.pixels), alpha=alpha, notes=(*picture.notes, note)
    )
