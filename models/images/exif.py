"""The one thing an EXIF block is asked for: which way up its picture is."""

from __future__ import annotations

import struct
from typing import Literal

Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
"""As the EXIF tag 0x0112 counts them: 1 is upright, 5 to 8 lie on their side."""

_PREFIX = b"Exif\0\0"
_TAG = 0x0112
_LONGEST = 65_536
"""Most bytes that are looked at: no JPEG segment holds more; a PNG chunk might have millions."""

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_FORMS = {1: "B", 3: "H", 4: "I"}  # by EXIF's type: byte, short (what cameras write), long
_ORIENTATIONS: dict[int, Orientation] = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8}


def orientation(block: object) -> Orientation:
    """Return the orientation that an EXIF block (with or without its ``Exif`` prefix) names.

    Service and decoder both ask here, so they agree about every file. Hostile blocks cost one pass
    over at most 64 KiB and never raise: what cannot be read, or is no ``bytes``, is upright.
    """
    if not isinstance(block, bytes):
        return 1
    data = block[:_LONGEST].removeprefix(_PREFIX)
    order = _ORDERS.get(data[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for at in range(start + 2, min(start + 2 + 12 * count, len(data)), 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", data, at)
            if tag == _TAG:
                if kind not in _FORMS or values != 1:
                    return 1
                (value,) = struct.unpack_from(order + _FORMS[kind], data, at + 8)
                return _ORIENTATIONS.get(value, 1)
    except struct.error:  # it points past its own end
        pass
    return 1


def upright(width: int, height: int, turned: Orientation) -> tuple[int, int]:
    """Return (width, height) in pixels of a stored picture once it is turned upright."""
    return (height, width) if turned >= 5 else (width, height)
