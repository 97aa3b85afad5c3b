"""The structure of PNG and JPEG files, walked without decoding: sizes, and whether all is there.

Hostile files cost little: each walk is one pass, and the number of its steps is bounded.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib

from models.errors import BadImage

Bytes = bytes | mmap.mmap

_STEPS = 100_000
"""Most chunks or segments of a file; a camera's has some dozens, an editor's some thousands."""

_IHDR_BYTES = 13
_SOF_BYTES = 8  # of a frame header without components: length, precision, height, width, count
_CRC_STEP = 1024 * 1024
# In JPEG's entropy-coded data FF is followed by 00 or a restart marker; all else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_MARKER = re.compile(rb"\xff+[^\x00\xff]", re.DOTALL)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF markers: they carry the size


def png(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a PNG file (ISO/IEC 15948, clause 5); every CRC is checked.

    Raises:
        BadImage: a chunk is broken or missing, or there are too many.
    """
    at, size, pictures = 8, (0, 0), 0
    for step in range(_STEPS):
        if at + 12 > len(data):
            raise BadImage("the PNG file is truncated: its end chunk is missing; send all of it")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise BadImage("the PNG file is truncated: a chunk reaches past its end")
        crc = 0
        for start in range(at + 4, end - 4, _CRC_STEP):
            crc = zlib.crc32(data[start : min(start + _CRC_STEP, end - 4)], crc)
        if crc != struct.unpack_from(">I", data, end - 4)[0]:
            raise BadImage(f"the PNG file is broken: wrong checksum in its chunk number {step + 1}")
        if (kind == b"IHDR") != (step == 0) or (step == 0 and length != _IHDR_BYTES):
            raise BadImage("the PNG file is broken: it does not begin with a header chunk")
        if kind == b"IHDR":
            size = struct.unpack_from(">II", data, at + 8)
        pictures += kind == b"IDAT"
        if kind == b"IEND":
            return _checked("PNG", size, pictures)
        at = end
    raise BadImage(f"the PNG file has more than {_STEPS} chunks", limit=_STEPS)


def jpeg(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a JPEG file (ITU-T T.81, annex B), walked to its end marker.

    Stray bytes between segments are passed over, as decoders do.

    Raises:
        BadImage: it ends early, has no frame, or too many segments.
    """
    at, size, scans = 2, (0, 0), 0
    for _ in range(_STEPS):
        found = _MARKER.search(data, at)
        if found is None:
            break
        at, marker = found.end(), data[found.end() - 1]
        if marker == 0xD9:
            return _checked("JPEG", size, scans)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        if at + 2 > len(data):
            break
        length = int.from_bytes(data[at : at + 2], "big")
        if marker in _FRAMES and length >= _SOF_BYTES and at + length <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = (width, height)
        at += max(2, length)
        if marker == 0xDA:
            scans += 1
            scan_end = _SCAN_END.search(data, at)
            if scan_end is None:
                break
            at = scan_end.start()
    else:
        raise BadImage(f"the JPEG file has more than {_STEPS} segments", limit=_STEPS)
    raise BadImage("the JPEG file is truncated: its end marker is missing; send all of it")


def _checked(kind: str, size: tuple[int, int], pictures: int) -> tuple[int, int]:
    if not pictures or min(size) < 1:
        raise BadImage(f"the {kind} file holds no picture")
    return size
