"""Read the entries of an EXIF block, and the orientation from it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
"""Values of the EXIF tag 0x0112: 1 is upright, 5 to 8 swap width and height."""

PREFIX = b"Exif\0\0"
ORIENTATION_TAG = 0x0112
_MAX_BLOCK_BYTES = 65_536
"""Bytes of a block that are read: no JPEG segment holds more; a PNG chunk might have millions."""

_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TYPE_CODES = {1: "B", 3: "H", 4: "I"}  # EXIF types byte, short (used by cameras), long
_ORIENTATIONS: dict[int, Orientation] = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8}


@dataclass(frozen=True)
class Entry:
    """One entry of an image file directory: where it starts, its tag, type and number of values."""

    at: int
    tag: int
    kind: int
    count: int


def byte_order(data: bytes | bytearray) -> str | None:
    """Return the byte order of an EXIF block without prefix, as struct names it; None: not EXIF."""
    return _BYTE_ORDERS.get(bytes(data[:4]))


def read_entries(data: bytes | bytearray, order: str, start: int) -> Iterator[Entry]:
    """Yield the entries of the directory at ``start``, up to where the block breaks off."""
    try:
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for at in range(start + 2, min(start + 2 + 12 * count, len(data)), 12):
            yield Entry(at, *struct.unpack_from(f"{order}HHI", data, at))
    except struct.error:  # an offset points past the end
        return


def first_directory(data: bytes | bytearray, order: str) -> int:
    """Return where the first directory starts; past the end if the block is too short to say."""
    return int(struct.unpack_from(f"{order}I", data, 4)[0]) if len(data) >= 8 else len(data)


def read_orientation(block: object) -> Orientation:
    """Return the orientation in an EXIF block, with or without its ``Exif`` prefix.

    Service and decoder both call this, so they agree about every file. A hostile block costs one
    pass over at most 64 KiB and never raises: unreadable blocks, and other types than ``bytes``,
    count as upright.
    """
    if not isinstance(block, bytes):
        return 1
    data = block[:_MAX_BLOCK_BYTES].removeprefix(PREFIX)
    order = byte_order(data)
    if order is None:
        return 1
    for entry in read_entries(data, order, first_directory(data, order)):
        if entry.tag == ORIENTATION_TAG:
            if entry.kind not in _TYPE_CODES or entry.count != 1 or entry.at + 12 > len(data):
                return 1
            (value,) = struct.unpack_from(order + _TYPE_CODES[entry.kind], data, entry.at + 8)
            return _ORIENTATIONS.get(value, 1)
    return 1


def upright_size(width: int, height: int, stored: Orientation) -> tuple[int, int]:
    """Return (width, height) in pixels of a picture after its orientation is applied."""
    return (height, width) if stored >= 5 else (width, height)
