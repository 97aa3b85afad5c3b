"""The structure of PNG, JPEG, GIF and WebP files, walked without decoding: sizes, and wholeness.

Hostile files cost little: each walk is one pass, and the number of its steps is bounded. Sizes are
of the upright picture, after its EXIF orientation.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib

from models.errors import BadImage
from models.images.exif import Orientation, orientation, upright

Bytes = bytes | mmap.mmap

_STEPS = 100_000
"""Most chunks or segments of a file; a camera's has some dozens, an editor's some thousands."""

_SUB_BLOCKS = 1_000_000
"""Most data sub-blocks of a GIF, of 255 bytes where nobody plays tricks: about 240 MiB."""

_EXIF_BYTES = 65_536  # no more of a block is looked at
_SCANS = 200
"""Most scans of a JPEG: each costs a decoder a pass over all blocks, however little it holds."""

_IHDR_BYTES = 13
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG's colour type
_SOF_BYTES = 8  # of a frame header without components: length, precision, height, width, count
_CRC_STEP = 1024 * 1024
# In JPEG's entropy-coded data FF is followed by 00 or a restart marker; all else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# Any number of FF may stand before a marker. Only the last is asked for: a pattern that takes them
# all is tried anew from each, which of a megabyte of them takes hours.
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF markers: they carry the size
_EXIF = b"Exif\0\0"
_GIF_HEADER = 13  # bytes: signature, logical screen
_RIFF_HEADER = 12  # bytes: signature, length, kind
_VP8_HEADER = 10  # bytes up to and with the size; of VP8X too
_VP8L_HEADER = 5
_WEBP_SIDE = (1 << 14) - 1


def png(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a PNG file (ISO/IEC 15948, clause 5); every CRC is checked.

    Raises:
        BadImage: a chunk is broken or missing, or there are too many.
    """
    at, size, pictures = 8, (0, 0), 0
    turned: Orientation = 1
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
        if kind == b"eXIf":
            turned = orientation(data[at + 8 : min(end - 4, at + 8 + _EXIF_BYTES)])
        if kind == b"IEND":
            return _checked("PNG", upright(*size, turned), pictures)
        at = end
    raise BadImage(f"the PNG file has more than {_STEPS} chunks", limit=_STEPS)


def samples(data: Bytes) -> tuple[int, int]:
    """Return (bits a sample, channels) that decoding a PNG gives; ``png`` has found it whole.

    Palettes count as what they are expanded to, a transparent colour as alpha; what has fewer than
    8 bits gets 8. Only chunk headers are read.
    """
    depth, kind = data[24], data[25]
    channels = _CHANNELS.get(kind, 4)
    at = 8
    while channels in {1, 3} and data[at + 4 : at + 8] != b"IEND":
        channels += data[at + 4 : at + 8] == b"tRNS"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return (16 if depth == 16 else 8), channels


def jpeg(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a JPEG file (ITU-T T.81, annex B), walked to its end marker.

    Stray bytes between segments are passed over, as decoders do.

    Raises:
        BadImage: it ends early, has no frame, or too many segments.
    """
    at, size, scans = 2, (0, 0), 0
    turned: Orientation | None = None
    for _ in range(_STEPS):
        found = _MARKER.search(data, at)
        if found is None:
            break
        at, marker = found.end(), data[found.end() - 1]
        if marker == 0xD9:
            return _checked("JPEG", upright(*size, turned or 1), scans)
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        if at + 2 > len(data):
            break
        length = int.from_bytes(data[at : at + 2], "big")
        if marker in _FRAMES and length >= _SOF_BYTES and at + length <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = (width, height)
        # Decoders read what stands before the first scan; of several blocks the first has the tag.
        if marker == 0xE1 and not scans and turned is None:
            block = data[at + 2 : at + length]
            turned = orientation(block) if block.startswith(_EXIF) else None
        at += max(2, length)
        if marker == 0xDA:
            scans = _one_more(scans)
            scan_end = _SCAN_END.search(data, at)
            if scan_end is None:
                break
            at = scan_end.start()
    else:
        raise BadImage(f"the JPEG file has more than {_STEPS} segments", limit=_STEPS)
    raise BadImage("the JPEG file is truncated: its end marker is missing; send all of it")


def gif(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of the canvas of a GIF file (GIF89a), walked to its end mark.

    The canvas is the logical screen, or more where the first picture reaches past it. Stray bytes
    between blocks are passed over, as decoders do.

    Raises:
        BadImage: it ends early, holds no picture, or has too many blocks.
    """
    if len(data) < _GIF_HEADER or data[:6] not in {b"GIF87a", b"GIF89a"}:
        raise BadImage("the GIF file is broken: it does not begin with a header")
    size, flags = struct.unpack_from("<HH", data, 6), data[10]
    at, pictures, left = _GIF_HEADER + _colours(flags), 0, _SUB_BLOCKS
    for _ in range(_STEPS):
        kind = data[at : at + 1]
        if kind == b";":
            return _checked("GIF", size, pictures)
        if kind == b"!":
            at, left = _sub_blocks(data, at + 2, left)
        elif kind == b"," and at + 10 <= len(data):
            x, y, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
            if not pictures:
                size = (max(size[0], x + width), max(size[1], y + height))
            pictures += min(width, height) > 0
            at, left = _sub_blocks(data, at + 11 + _colours(flags), left)
        elif not kind or kind == b",":
            raise BadImage("the GIF file is truncated: its end mark is missing; send all of it")
        else:
            at += 1
    raise BadImage(f"the GIF file has more than {_STEPS} blocks", limit=_STEPS)


def webp(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a WebP file (RFC 9649) of one picture, which fills its canvas.

    Raises:
        BadImage: it ends early or too late, or holds anything else.
    """
    at, end, pictures = _RIFF_HEADER, len(data), 0
    size = canvas = (0, 0)
    if end < at or end != 8 + int.from_bytes(data[4:8], "little"):
        raise BadImage("the WebP file is truncated, or more than it says; send all of it")
    for _ in range(_STEPS):
        if at == end:
            if canvas not in {(0, 0), size}:
                raise BadImage("the WebP file is broken: its picture does not fill its canvas")
            return _checked("WebP", size, pictures == 1)
        if at + 8 > end:
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        head = data[at + 8 : at + 8 + min(length, _VP8_HEADER)]
        at += 8 + length + length % 2
        if at > end:
            break
        if kind == b"VP8X" and len(head) == _VP8_HEADER:
            canvas = (1 + _little(head[4:7]), 1 + _little(head[7:10]))
        elif kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a" and len(head) == _VP8_HEADER:
            size = (_little(head[6:8]) & _WEBP_SIDE, _little(head[8:10]) & _WEBP_SIDE)
            pictures += 1
        elif kind == b"VP8L" and head[:1] == b"\x2f" and len(head) >= _VP8L_HEADER:
            bits = _little(head[1:5])
            size = (1 + (bits & _WEBP_SIDE), 1 + (bits >> 14 & _WEBP_SIDE))
            pictures += 1
    raise BadImage("the WebP file is broken: its chunks do not end where it does")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _colours(flags: int) -> int:
    """Return how many bytes the colour table takes that ``flags`` announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(data: Bytes, at: int, left: int) -> tuple[int, int]:
    """Return where the sub-blocks from ``at`` end, and how many the file may still have."""
    end = len(data)
    while at < end and left:
        length = data[at]
        at += length + 1
        if not length:
            return at, left
        left -= 1
    if not left:
        raise BadImage(
            f"the GIF file has more than {_SUB_BLOCKS} blocks of data", limit=_SUB_BLOCKS
        )
    raise BadImage("the GIF file is truncated: its data breaks off; send all of it")


def _one_more(scans: int) -> int:
    if scans == _SCANS:
        raise BadImage(
            f"the JPEG file has more than {_SCANS} scans; a progressive one has about ten",
            limit=_SCANS,
        )
    return scans + 1


def _checked(kind: str, size: tuple[int, int], pictures: int) -> tuple[int, int]:
    if not pictures or min(size) < 1:
        raise BadImage(f"the {kind} file holds no picture")
    return size
