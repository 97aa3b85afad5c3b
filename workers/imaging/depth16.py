"""16 bits a sample: read whole from a PNG, and rounded to 8 where something holds no more."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.errors import BadImage
from models.images.exif import Orientation
from workers.imaging.picture import Picture, Pixels, Samples

Wide = NDArray[np.uint16]
"""uint16, 0 to 65535: (height, width), or (height, width, channels)."""

MOST = 65535
KINDS = frozenset({"I;16B", "RGB;16B", "LA;16B", "RGBA;16B"})
"""Pillow's names of how such a PNG stores its samples."""

_GRAY = frozenset({"I;16B", "LA;16B"})
_FIRST = 8  # bytes of the signature, of a chunk's length and kind
_NEEDED = {b"IHDR", b"tRNS", b"IDAT", b"IEND"}
_TURNS: dict[Orientation, Callable[[Wide], Wide]] = {
    1: lambda wide: wide,
    2: lambda wide: wide[:, ::-1],
    3: lambda wide: wide[::-1, ::-1],
    4: lambda wide: wide[::-1],
    5: lambda wide: wide.swapaxes(0, 1),
    6: lambda wide: wide.swapaxes(0, 1)[:, ::-1],
    7: lambda wide: wide.swapaxes(0, 1)[::-1, ::-1],
    8: lambda wide: wide.swapaxes(0, 1)[::-1],
}


def read(file: Image.Image, stored: str, path: Path, turned: Orientation) -> Picture:
    """Return the pixels and the alpha of a 16-bit PNG, uint16, upright; ``file`` is closed.

    ``file`` is the PNG at ``path``, loaded by Pillow, which so has refused what it refuses of
    others too. Of gray it has all 16 bits. Colours it cuts down to 8: they are read by OpenCV.

    Raises:
        BadImage: OpenCV, or rather libpng, finds the data broken.
    """
    if stored == "I;16B":
        wide, key = np.array(file, np.uint16), file.info.get("transparency")
        file.close()
        alpha = None if key is None else np.multiply(wide != key, MOST, dtype=np.uint16)
    else:
        file.close()  # its memory goes before more is taken
        wide, alpha = _colours(path), None
    wide = _TURNS[turned](wide)
    if wide.ndim == 3 and wide.shape[2] == 4:
        wide, alpha = (wide[:, :, 0] if stored in _GRAY else wide[:, :, :3]), wide[:, :, 3]
    elif alpha is not None:
        alpha = _TURNS[turned](alpha)
    whole = None if alpha is None else np.ascontiguousarray(alpha)
    return Picture(np.ascontiguousarray(wide), whole)


def _colours(path: Path) -> Wide:
    data = cv2.imdecode(_bare(path), cv2.IMREAD_UNCHANGED)
    if data is None or data.dtype != np.uint16 or data.ndim != 3:
        raise BadImage("the picture cannot be decoded: its samples are broken or incomplete")
    return np.asarray(data, np.uint16)


def _bare(path: Path) -> Pixels:
    """Return the bytes of the PNG without what is not needed to read its samples.

    Pillow has read the rest: a second reader of it might apply what was applied already, and libpng
    writes a line to the log for each odd chunk of a stranger's file.
    """
    bare = np.empty(path.stat().st_size, np.uint8)
    view, used, needed = bare.data, _FIRST, set(_NEEDED)
    with path.open("rb") as file:
        file.readinto(view[:_FIRST])
        while len(start := file.read(_FIRST)) == _FIRST:
            length, kind = struct.unpack(">I4s", start)
            if kind not in needed:
                file.seek(length + 4, 1)
                continue
            if kind == b"tRNS":
                needed.remove(kind)  # a second one does not count
            view[used : used + _FIRST] = start
            used += _FIRST
            used += file.readinto(view[used : used + length + 4])
            if kind == b"IEND":
                break
    return bare[:used]


def eight(samples: Samples) -> Pixels:
    """Return ``samples`` (any shape) as uint8: v * 255 / 65535, rounded; uint8 as it is.

    That is v / 257, which is never half-way between two levels: single precision is exact enough.
    """
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    return np.asarray(cv2.convertScaleAbs(samples, alpha=255 / MOST), np.uint8)


def reduced(picture: Picture, note: str) -> Picture:
    """Return ``picture`` in 8 bits a sample, with ``note`` if it had more."""
    if not picture.deep:
        return picture
    alpha = None if picture.alpha is None else eight(picture.alpha)
    return replace(picture, pixels=eight(picture.pixels), alpha=alpha, notes=(*picture.notes, note))
