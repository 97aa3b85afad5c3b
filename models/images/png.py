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
_CRC_STEP_BYTES = 1024 * 1024


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a PNG file (ISO/IEC 15948, clause 5); every CRC is checked.

    Raises:
        BadImage: a chunk is broken or missing, or there are too many.
    """
    at, size, pictures = _SIGNATURE_BYTES, (0, 0), 0
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
            size = struct.unpack_from(">II", data, at + 8)
        pictures += kind == b"IDAT"
        if kind == b"eXIf":
            orientation = read_orientation(data[at + 8 : min(end - 4, at + 8 + MAX_EXIF_BYTES)])
        if kind == b"IEND":
            return checked_size("PNG", upright_size(*size, orientation), pictures)
        at = end
    raise BadImage(f"the PNG file has more than {MAX_BLOCKS} chunks", limit=MAX_BLOCKS)


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
