"""Mend PNG files: leave out broken ancillary chunks, fill what is missing of the samples.

``chunks`` are those of ``models.images.png.read_chunks``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from models.images.png import END_CHUNK, SIGNATURE_BYTES, STORED_CHANNELS, Chunk
from models.images.structure import Bytes
from workers.imaging import damage
from workers.imaging.picture import Samples
from workers.imaging.png_chunks import chunk as make_chunk

_INTERLACED_AT = 28  # of the byte that says it
_ZLIB_HEADER_BYTES = 2
_COUNTED_BYTES = 16_384  # of compressed data, which become 16 MB at most
_STEP_BYTES = 4096  # of compressed data, which become 4 MB at most
_METADATA = {b"eXIf": "EXIF", **dict.fromkeys((b"tEXt", b"zTXt", b"iTXt"), "comments")}
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_MAX_FILTER = 4


def write_sound_chunks(data: Bytes, chunks: list[Chunk], mended: Path) -> bool:
    """Write the PNG ``data`` without its broken ancillary chunks, and with an end chunk.

    Returns False, having written nothing, if its chunks are sound already. Pillow refuses a file
    for such a chunk; libpng and browsers ignore the chunk.
    """
    if chunks[-1].kind == b"IEND" and all(chunk.sound for chunk in chunks):
        return False
    with mended.open("wb") as to:
        to.write(data[:SIGNATURE_BYTES])
        _copy(data, chunks, to)
        to.write(END_CHUNK)
    return True


def lacks_profile(chunks: list[Chunk]) -> bool:
    """Return whether a PNG has a colour profile, but a broken one that is left out."""
    profiles = [chunk for chunk in chunks if chunk.kind == b"iCCP"]
    return bool(profiles) and not any(chunk.sound for chunk in profiles)


def broken_metadata(data: Bytes, chunks: list[Chunk]) -> list[str]:
    """Return the kinds of metadata in the PNG ``data`` that are left out: EXIF, XMP, comments."""
    found = set[str]()
    for chunk in chunks:
        if chunk.sound or chunk.kind not in _METADATA:
            continue
        is_xmp = data[chunk.start + 8 : chunk.start + 8 + len(_XMP_KEYWORD)] == _XMP_KEYWORD
        found.add("XMP" if is_xmp else _METADATA[chunk.kind])
    return sorted(found, key=("EXIF", "XMP", "comments").index)


def has_all_rows(data: Bytes, chunks: list[Chunk], pixels: Samples) -> bool:
    """Return whether the PNG ``data``, which was decoded to ``pixels``, has all of their rows.

    Pillow leaves rows empty for which there are no data, if these have a proper end. A picture
    without a plain edge has its last row, unless it is interlaced.
    """
    edges = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    if not data[_INTERLACED_AT] and not any((edge == edge[0]).all() for edge in edges):
        return True
    left = sum(row_bytes for row_bytes, _ in _rows(data))
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in _samples(data, _of_samples(chunks), _COUNTED_BYTES):
            left -= len(unpack.decompress(piece))
            if left <= 0:
                break
    except zlib.error:
        pass
    return left <= 0


def write_filled(data: Bytes, chunks: list[Chunk], mended: Path) -> str:
    """Write the PNG ``data`` with rows of zeros in place of those that are missing or broken.

    Returns:
        The note that says how much that is.

    Raises:
        BadImage: more than ``MAX_MISSING_SHARE`` of the pixels.
    """
    kinds = [chunk.kind for chunk in chunks]
    first = kinds.index(b"IDAT")
    with mended.open("wb") as to:
        to.write(data[:SIGNATURE_BYTES])
        _copy(data, chunks[:first], to)
        missing = _write_rows(data, _of_samples(chunks), to)
        _copy(data, [chunk for chunk in chunks[first:] if chunk.kind != b"IDAT"], to)
        to.write(END_CHUNK)
    return damage.missing("PNG", missing) if missing else damage.WRONG_CHECKSUM


def _of_samples(chunks: list[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.kind == b"IDAT"]


def _copy(data: Bytes, chunks: list[Chunk], to: BinaryIO) -> None:
    for chunk in chunks:
        if chunk.sound and chunk.kind != b"IEND":
            to.write(data[chunk.start : chunk.end])


def _write_rows(data: Bytes, chunks: list[Chunk], to: BinaryIO) -> float:
    """Write all rows of the samples in ``chunks``; return the share of pixels that is missing."""
    inflated, packer = _inflate(data, chunks), zlib.compressobj(1)
    buffer, is_sound, known, total = bytearray(), True, 0, 0
    for row_bytes, pixels in _rows(data):
        while is_sound and len(buffer) < row_bytes:
            more = next(inflated, None)
            buffer += more or b""
            is_sound = more is not None
        is_sound = is_sound and buffer[0] <= _MAX_FILTER
        _write_samples(to, packer.compress(buffer[:row_bytes] if is_sound else bytes(row_bytes)))
        del buffer[:row_bytes]
        total += pixels
        known += pixels * is_sound
    _write_samples(to, packer.flush())
    return 1 - known / total


def _write_samples(to: BinaryIO, packed: bytes) -> None:
    if packed:
        to.write(make_chunk(b"IDAT", packed))


def _rows(data: Bytes) -> Iterator[tuple[int, int]]:
    """Yield the bytes, with the filter's, and the pixels of each row that is stored."""
    width, height, depth, colour_type, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    bits = depth * STORED_CHANNELS[colour_type]
    for x, y, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns = -(-(width - x) // across)
        if columns > 0:
            for _ in range(y, height, down):
                yield 1 + -(-columns * bits // 8), columns


def _samples(data: Bytes, chunks: list[Chunk], step: int) -> Iterator[bytes]:
    """Yield the compressed samples in ``chunks``, ``step`` bytes at most, without zlib's header."""
    header = _ZLIB_HEADER_BYTES
    for chunk in chunks:
        start, end = chunk.start + 8, chunk.end - 4
        skipped = min(header, end - start)
        header -= skipped
        for at in range(start + skipped, end, step):
            yield data[at : min(at + step, end)]


def _inflate(data: Bytes, chunks: list[Chunk]) -> Iterator[bytes]:
    """Yield the inflated data of ``chunks`` up to the first error, without their checksum."""
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in _samples(data, chunks, _STEP_BYTES):
        before = unpack.copy()
        try:
            yield unpack.decompress(piece)
        except zlib.error:
            # What an erroneous call inflated is lost: all before the error comes byte by byte.
            for byte in piece:
                try:
                    yield before.decompress(bytes([byte]))
                except zlib.error:
                    return
