"""Read the orientation from an EXIF block."""

from __future__ import annotations

import struct
from typing import Literal

Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
"""Values of the EXIF tag 0x0112: 1 is upright, 5 to 8 swap width and height."""

_PREFIX = b"Exif\0\0"
_ORIENTATION_TAG = 0x0112
_MAX_BLOCK_BYTES = 65_536
"""Bytes of a block that are read: no JPEG segment holds more; a PNG chunk might have millions."""

_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TYPE_CODES = {1: "B", 3: "H", 4: "I"}  # EXIF types byte, short (used by cameras), long
_ORIENTATIONS: dict[int, Orientation] = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8}


def read_orientation(block: object) -> Orientation:
    """Return the orientation in an EXIF block, with or without its ``Exif`` prefix.

    Service and decoder both call this, so they agree about every file. A hostile block costs one
    pass over at most 64 KiB and never raises: unreadable blocks, and other types than ``bytes``,
    count as upright.
    """
    if not isinstance(block, bytes):
        return 1
    data = block[:_MAX_BLOCK_BYTES].removeprefix(_PREFIX)
    order = _BYTE_ORDERS.get(data[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for at in range(start + 2, min(start + 2 + 12 * count, len(data)), 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", data, at)
            if tag == _ORIENTATION_TAG:
                if kind not in _TYPE_CODES or values != 1:
                    return 1
                (value,) = struct.unpack_from(order + _TYPE_CODES[kind], data, at + 8)
                return _ORIENTATIONS.get(value, 1)
    except struct.error:  # an offset points past the end
        pass
    return 1


def upright_size(width: int, height: int, stored: Orientation) -> tuple[int, int]:
    """Return (width, height) in pixels of a picture after its orientation is applied."""
    return (height, width) if stored >= 5 else (width, height)
