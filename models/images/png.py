"""Walk the chunks of a PNG file: its size, and whether it is complete."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from models.errors import BadImage
from models.images.exif import Orientation, read_orientation, upright_size
from models.images.structure import MAX_BLOCKS, MAX_EXIF_BYTES, Bytes, checked_size

SIGNATURE_BYTES = 8
END_CHUNK = b"\0\0\0\0IEND\xaeB`\x82"
_IHDR_BYTES = 13
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG's colour type
STORED_CHANNELS = _CHANNELS | {3: 1}  # of a palette its indexes
_MAX_INFLATION = 1032
"""Bytes that a byte of deflate becomes at most: two bits can repeat 258 bytes."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits a sample that each colour type may have."""
_ANCILLARY_BIT = 0x20  # of the first letter of a chunk's kind: small
_SINGLE = frozenset({b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"pHYs", b"sRGB", b"tRNS"})
"""Of these a file has one: libpng and browsers ignore what follows the first."""
_CRC_STEP_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Chunk:
    """A chunk: ``data[start:end]`` with its length, kind and checksum."""

    kind: bytes
    start: int
    end: int
    sound: bool  # whether decoders use it: its checksum is right, and it is no second one

    @property
    def is_critical(self) -> bool:
        """Whether a picture cannot be shown without it: the case of its first letter says so."""
        return not self.kind[0] & _ANCILLARY_BIT


def read_chunks(data: Bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG file (ISO/IEC 15948, clause 5) up to its end chunk.

    Ends early where the file does, if its samples have begun: only a decoder can tell whether they
    are whole. An IDAT that is cut off is yielded as not sound, as if a checksum followed. Ancillary
    chunks with a wrong checksum, and second ones of a kind that a file has once, are yielded as not
    sound; decoders ignore them.

    Raises:
        BadImage: a critical chunk is broken or missing, or there are too many.
    """
    at, has_samples, met = SIGNATURE_BYTES, False, set[bytes]()
    for index in range(MAX_BLOCKS):
        length, kind = struct.unpack(">I4s", data[at : at + 8].ljust(8, b"\0"))
        end = at + 12 + length
        if kind == b"IEND" and at + 8 <= len(data):
            yield Chunk(kind, at, min(end, len(data)), sound=length == 0 and end <= len(data))
            return
        if has_samples and not kind.isalpha():
            return  # bytes of something else
        if end > len(data) and kind == b"IDAT" and at + 8 <= len(data):
            yield Chunk(kind, at, min(end, len(data) + 4), sound=False)
            return
        if end > len(data):
            if has_samples:
                return
            raise BadImage(
                "the PNG file is truncated: "
                + (
                    "its end chunk is missing; send all of it"
                    if at + 12 > len(data)
                    else "a chunk reaches past its end; send all of it"
                )
            )
        chunk = Chunk(kind, at, end, kind not in met and has_right_checksum(data, at, end))
        met |= {kind} & _SINGLE if chunk.sound else set()
        if chunk.is_critical and not chunk.sound:
            raise BadImage(
                f"the PNG file is broken: wrong checksum in its chunk number {index + 1}, "
                f"{kind.decode('ascii', 'replace')!a}"
            )
        if (kind == b"IHDR") != (index == 0) or (index == 0 and length != _IHDR_BYTES):
            raise BadImage("the PNG file is broken: it does not begin with a header chunk")
        has_samples |= kind == b"IDAT"
        yield chunk
        at = end
    raise BadImage(f"the PNG file has more than {MAX_BLOCKS} chunks", limit=MAX_BLOCKS)


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of a PNG file; every checksum is verified, see ``read_chunks``.

    Raises:
        BadImage: it is broken or truncated, or has less data than the samples need.
    """
    size, packed, least = (0, 0), 0, 0
    orientation: Orientation = 1
    for chunk in read_chunks(data):
        start, end = chunk.start + 8, chunk.end - 4
        if chunk.kind == b"IHDR":
            width, height, depth, colour_type = struct.unpack_from(">IIBB", data, start)
            if depth not in _DEPTHS.get(colour_type, ()):
                raise BadImage(
                    f"the PNG file is broken: its header says colour type {colour_type} with "
                    f"{depth} bits a sample, which PNG does not have"
                )
            size, least = (width, height), _least_bytes(width, height, depth, colour_type)
        elif chunk.kind == b"IDAT":
            packed += end - start
        elif chunk.kind == b"eXIf" and chunk.sound:
            orientation = read_orientation(data[start : min(end, start + MAX_EXIF_BYTES)])
    return checked_size("PNG", upright_size(*size, orientation), packed, packed, least)


def read_frames(data: Bytes) -> int:
    """Return the frames of an animated PNG (third edition, 11.3.2), 1 of any other.

    ``read_size`` must have accepted it. A picture before the animation that is no part of it does
    not count. If the file names more frames than it has, one of those that are missing counts, so
    that it does not pass for a whole one. Only chunk headers are read.
    """
    at, said, found = SIGNATURE_BYTES, 0, 0
    while (kind := data[at + 4 : at + 8]) not in {b"IEND", b""}:
        if kind == b"acTL":
            said = int.from_bytes(data[at + 8 : at + 12], "big")
        elif kind == b"IDAT" and not said:
            return 1
        found += kind == b"fcTL"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return max(1, min(said, found + 1))


def read_result_size(data: Bytes, frames: int) -> tuple[int, int]:
    """Return (width, height) as ``read_size`` does, of a result of at most ``frames`` frames.

    Raises:
        BadImage: as ``read_size``, or it has more.
    """
    size = read_size(data)
    if (found := read_frames(data)) > frames:
        raise BadImage(f"it has more than {frames} frames", limit=frames, measured=found)
    return size


def has_right_checksum(data: Bytes, at: int, end: int) -> bool:
    """Return whether the checksum of the chunk ``data[at:end]`` is right."""
    crc = 0
    for start in range(at + 4, end - 4, _CRC_STEP_BYTES):
        crc = zlib.crc32(data[start : min(start + _CRC_STEP_BYTES, end - 4)], crc)
    return crc == int.from_bytes(data[end - 4 : end], "big")


def _least_bytes(width: int, height: int, depth: int, colour_type: int) -> int:
    """Return how many bytes the compressed samples take at least."""
    bits = width * height * depth * STORED_CHANNELS[colour_type]
    return -(-bits // (8 * _MAX_INFLATION))


def read_samples(data: Bytes) -> tuple[int, int]:
    """Return (bits a sample, channels) of the decoded PNG; ``read_size`` must have accepted it.

    A palette counts as the colours it expands to, a transparent colour as alpha, and fewer than 8
    bits as 8. Only chunk headers are read.
    """
    depth, colour_type = data[24], data[25]
    channels = _CHANNELS[colour_type]
    at = SIGNATURE_BYTES
    while channels in {1, 3} and data[at + 4 : at + 8] not in {b"IEND", b""}:
        channels += data[at + 4 : at + 8] == b"tRNS"
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return (16 if depth == 16 else 8), channels
