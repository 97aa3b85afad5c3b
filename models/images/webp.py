"""Walk the RIFF chunks of a WebP file: its size, and whether it is complete."""

from __future__ import annotations

import struct

from models.errors import BadImage
from models.images.structure import MAX_BLOCKS, Bytes, checked_size

_RIFF_HEADER_BYTES = 12  # signature, length, kind
_VP8_HEADER_BYTES = 10  # up to and including the size; the same for VP8X
_VP8L_HEADER_BYTES = 5
_SIDE_MASK = (1 << 14) - 1


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a WebP file (RFC 9649) of one picture that fills its canvas.

    Raises:
        BadImage: the file ends early or late, or holds anything else.
    """
    at, end, pictures = _RIFF_HEADER_BYTES, len(data), 0
    size = canvas = (0, 0)
    if end < at or end != 8 + int.from_bytes(data[4:8], "little"):
        raise BadImage("the WebP file is truncated, or longer than it says; send all of it")
    for _ in range(MAX_BLOCKS):
        if at == end:
            if canvas not in {(0, 0), size}:
                raise BadImage("the WebP file is broken: its picture does not fill its canvas")
            return checked_size("WebP", size, pictures == 1)
        if at + 8 > end:
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        head = data[at + 8 : at + 8 + min(length, _VP8_HEADER_BYTES)]
        at += 8 + length + length % 2
        if at > end:
            break
        if kind == b"VP8X" and len(head) == _VP8_HEADER_BYTES:
            canvas = (1 + _little_endian(head[4:7]), 1 + _little_endian(head[7:10]))
        elif kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) == _VP8_HEADER_BYTES:
            size = (_little_endian(head[6:8]) & _SIDE_MASK, _little_endian(head[8:10]) & _SIDE_MASK)
            pictures += 1
        elif kind == b"VP8L" and head[:1] == b"\x2f" and len(head) >= _VP8L_HEADER_BYTES:
            bits = _little_endian(head[1:5])
            size = (1 + (bits & _SIDE_MASK), 1 + (bits >> 14 & _SIDE_MASK))
            pictures += 1
    raise BadImage("the WebP file is broken: its chunks do not end where it does")


def _little_endian(data: bytes) -> int:
    return int.from_bytes(data, "little")
