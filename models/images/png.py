"""Walk the chunks of a PNG file: its size, and whether it is complete."""

from __future__ import annotations

import struct
import zlib

from models.errors import BadImage
from models.images.exif import Orientation, read_orientation, upright_size
from models.images.structure import MAX_BLOCKS, MAX_EXIF_BYTES, Bytes, checked_size

_SIGNATURE_BYTES = 8
_IHDR_BYTES = 13
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG's colour type
_STORED_CHANNELS = _CHANNELS | {3: 1}  # of a palette its indexes
_MAX_INFLATION = 1032
"""Bytes that a byte of deflate becomes at most: two bits can repeat 258 bytes."""
_CRC_STEP_BYTES = 1024 * 1024


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a PNG file (ISO/IEC 15948, clause 5); every CRC is checked.

    Raises:
        BadImage: a chunk is broken or missing, there are too many, or less data than the samples
            need.
    """
    at, size, packed, least = _SIGNATURE_BYTES, (0, 0), 0, 0
    orientation: Orientation = 1
    for index in range(MAX_BLOCKS):
        if at + 12 > len(data):
            raise BadImage("the PNG file is truncated: its end chunk is missing; send all of it")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise BadImage("the PNG file is truncated: a chunk reaches past its end")
        crc = 0
        for start in range(at + 4, end - 4, _CRC_STEP_BYTES):
            crc = zlib.crc32(data[start : min(start + _CRC_STEP_BYTES, end - 4)], crc)
        if crc != struct.unpack_from(">I", data, end - 4)[0]:
            raise BadImage(
                f"the PNG file is broken: wrong checksum in its chunk number {index + 1}"
            )
        if (kind == b"IHDR") != (index == 0) or (index == 0 and length != _IHDR_BYTES):
            raise BadImage("the PNG file is broken: it does not begin with a header chunk")
        if kind == b"IHDR":
            width, height, depth, colour_type = struct.unpack_from(">IIBB", data, at + 8)
            size, least = (width, height), _least_bytes(width, height, depth, colour_type)
        packed += length * (kind == b"IDAT")
        if kind == b"eXIf":
            orientation = read_orientation(data[at + 8 : min(end - 4, at + 8 + MAX_EXIF_BYTES)])
        if kind == b"IEND":
            return checked_size("PNG", upright_size(*size, orientation), packed, packed, least)
        at = end
    raise BadImage(f"the PNG file has more than {MAX_BLOCKS} chunks", limit=MAX_BLOCKS)


def _least_bytes(width: int, height: int, depth: int, colour_type: int) -> int:
    """Return how many bytes the compressed samples take at least."""
    bits = width * height * depth * _STORED_CHANNELS.get(colour_type, 1)
    return -(-bits // (8 * _MAX_INFLATION))


def read_samples(data: Bytes) -> tuple[int, int]:
    """Return (bits a sample, channels) of the decoded PNG; ``read_size`` must have accepted it.

    A palette counts as the colours it expands to, a transparent colour as alpha, and fewer than 8
    bits as 8. Only chunk headers are read.
    """
    depth, colour_type = data[24], data[25]
    channels = _CHANNELS.get(colour_type, 4)
    at = _SIGNATURE_BYTES
    while channels in {1, 3} and data[at + 4 : at + 8] != b"IEND":
        channels += data[at + 4 : at + 8] == b"tRNS"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return (16 if depth == 16 else 8), channels
