"""Walk the segments of a JPEG file: its size, and whether it is complete."""

from __future__ import annotations

import re
import struct

from models.errors import BadImage
from models.images.exif import Orientation, read_orientation, upright_size
from models.images.structure import MAX_BLOCKS, Bytes, checked_size, search

_MAX_SCANS = 200
"""Each scan costs a decoder a pass over all blocks, however little data it holds."""

_SOF_BYTES = 8  # of a frame header without components: length, precision, height, width, count
# In entropy-coded data FF is followed by 00 or a restart marker; anything else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# Any number of FF may precede a marker. The pattern matches only the last: one that matches them
# all would start again at each, which takes hours for a megabyte of them.
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # they carry the size
_SOS, _EOI, _APP1, _TEM = 0xDA, 0xD9, 0xE1, 0x01
_EXIF_PREFIX = b"Exif\0\0"


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a JPEG file (ITU-T T.81, annex B), walked to its end marker.

    Stray bytes between segments are skipped, as decoders do.

    Raises:
        BadImage: the file ends early, has no frame, or too many segments or scans.
    """
    at, size, scans = 2, (0, 0), 0
    orientation: Orientation | None = None
    for _ in range(MAX_BLOCKS):
        match = search(_MARKER, data, at)
        if match is None:
            break
        at, marker = match.end(), data[match.end() - 1]
        if marker == _EOI:
            return checked_size("JPEG", upright_size(*size, orientation or 1), scans)
        if marker == _TEM or 0xD0 <= marker <= 0xD8:
            continue
        if at + 2 > len(data):
            break
        length = int.from_bytes(data[at : at + 2], "big")
        if marker in _SOF_MARKERS and length >= _SOF_BYTES and at + length <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = (width, height)
        # Decoders read EXIF only before the first scan, and of several blocks only the first.
        if marker == _APP1 and not scans and orientation is None:
            block = data[at + 2 : at + length]
            orientation = read_orientation(block) if block.startswith(_EXIF_PREFIX) else None
        at += max(2, length)
        if marker == _SOS:
            scans = _count_scan(scans)
            scan_end = search(_SCAN_END, data, at)
            if scan_end is None:
                break
            at = scan_end.start()
    else:
        raise BadImage(f"the JPEG file has more than {MAX_BLOCKS} segments", limit=MAX_BLOCKS)
    raise BadImage("the JPEG file is truncated: its end marker is missing; send all of it")


def _count_scan(scans: int) -> int:
    if scans == _MAX_SCANS:
        raise BadImage(
            f"the JPEG file has more than {_MAX_SCANS} scans; a progressive one has about ten",
            limit=_MAX_SCANS,
        )
    return scans + 1
