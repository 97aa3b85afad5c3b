"""Change an EXIF block in place, so that all offsets in it stay right, also in makers' notes.

Or build a small one. Nothing here raises on a hostile block.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from fractions import Fraction

from models.images.exif import ORIENTATION_TAG, PREFIX
from models.images.structure import MAX_EXIF_BYTES
from workers.imaging.exif_block import (
    CAPTURED,
    EXIF_DIRECTORY,
    PIXELS_ACROSS,
    PIXELS_DOWN,
    RATIONAL,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    ExifBlock,
)

_SHORT, _LONG, _ASCII = 3, 4, 2
# Of a thumbnail: where its bytes are, and how many (as a JPEG, or in strips).
_THUMBNAIL_PLACES = {0x0201: 0x0202, 0x0111: 0x0117}
_MAX_INTEGER = 0xFFFFFFFF


def cleaned(block: bytes) -> bytes:
    """Return the block upright and without its thumbnail; empty if it is not EXIF, or too long.

    The thumbnail's bytes are overwritten: it may show what was cut off the picture.
    """
    exif = ExifBlock(block)
    picture, *others = exif.chain() or [0]
    if not picture or not exif.order or len(block) > MAX_EXIF_BYTES + len(PREFIX):
        return b""
    for entry in exif.entries(picture):
        if entry.tag == ORIENTATION_TAG and entry.at + 12 <= len(exif.data):
            struct.pack_into(f"{exif.order}HIHH", exif.data, entry.at + 2, _SHORT, 1, 1, 0)
    end = len(exif.data)
    for start in others:
        end = min(end, _erase(exif, start))
    if (link := exif.next_link(picture)) is not None:
        struct.pack_into(f"{exif.order}I", exif.data, link, 0)
    return bytes(exif.data[:end])


def _erase(exif: ExifBlock, start: int) -> int:
    """Overwrite the thumbnail of the directory at ``start``, and that; return where to cut off."""
    entries, end = list(exif.entries(start)), len(exif.data)
    by_tag = {entry.tag: exif.integers(entry) for entry in reversed(entries)}
    places = [(entry.at, 12) for entry in entries]
    places += [exif.place(entry) for entry in entries]
    for place, length in _THUMBNAIL_PLACES.items():
        places += zip(by_tag.get(place, ()), by_tag.get(length, ()), strict=False)
    for at, size in places:
        last = min(at + size, end)
        if at < last:
            exif.data[at:last] = bytes(last - at)
    thumbnails = [at for at, size in places if size and at + size >= end and at > start]
    return min(thumbnails, default=end)


def updated(
    block: bytes, size: tuple[int, int], resolution: tuple[Fraction, Fraction, int] | None
) -> bytes:
    """Return the block with the (width, height) and the resolution of a result.

    ``resolution``: X, Y and unit. Only entries that are there are changed.
    """
    exif = ExifBlock(block)
    main = exif.main()
    for entry in exif.sub(EXIF_DIRECTORY, main):
        if entry.tag in {PIXELS_ACROSS, PIXELS_DOWN} and entry.at + 12 <= len(exif.data):
            side = size[entry.tag == PIXELS_DOWN]
            struct.pack_into(f"{exif.order}HII", exif.data, entry.at + 2, _LONG, 1, side)
    for entry in main if resolution else ():
        assert resolution is not None
        start, length = exif.place(entry)
        if entry.tag in {X_RESOLUTION, Y_RESOLUTION} and entry.kind == RATIONAL and length >= 8:
            number = resolution[entry.tag == Y_RESOLUTION]
            if number.numerator <= _MAX_INTEGER:
                parts = number.numerator, number.denominator
                struct.pack_into(f"{exif.order}II", exif.data, start, *parts)
        elif entry.tag == RESOLUTION_UNIT and entry.kind == _SHORT and length:
            struct.pack_into(f"{exif.order}H", exif.data, start, resolution[2])
    return bytes(exif.data)


def build(texts: Mapping[int, bytes]) -> bytes:
    """Return a block (without prefix) of ``texts`` by tag, and of a resolution for ``updated``.

    Texts are ASCII or, as most programs write them, UTF-8.
    """
    captured = texts.get(CAPTURED)
    main = {tag: text for tag, text in texts.items() if tag != CAPTURED}
    unknown = struct.pack(">II", 72, 1)
    entries: list[tuple[int, int, int, bytes]] = [
        (X_RESOLUTION, RATIONAL, 1, unknown),
        (Y_RESOLUTION, RATIONAL, 1, unknown),
        (RESOLUTION_UNIT, _SHORT, 1, struct.pack(">HH", 2, 0)),
        *((tag, _ASCII, len(text) + 1, text + b"\0") for tag, text in main.items()),
    ]
    if captured is None:
        return _header() + _directory(8, entries)
    entries.append((EXIF_DIRECTORY, _LONG, 1, bytes(4)))
    start = 8 + len(_directory(8, entries))
    entries[-1] = (EXIF_DIRECTORY, _LONG, 1, struct.pack(">I", start))
    detail = [
        (0x9000, 7, 4, b"0232"),
        (CAPTURED, _ASCII, len(captured) + 1, captured + b"\0"),
    ]
    return _header() + _directory(8, entries) + _directory(start, detail)


def _header() -> bytes:
    return b"MM\0*" + struct.pack(">I", 8)


def _directory(start: int, entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """Return the directory of (tag, type, count, value) that starts at ``start`` in its block."""
    head, data = struct.pack(">H", len(entries)), b""
    at = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        head += struct.pack(">HHI", tag, kind, count)
        if len(value) <= 4:
            head += value.ljust(4, b"\0")
        else:
            head += struct.pack(">I", at + len(data))
            data += value + bytes(len(value) % 2)
    return head + bytes(4) + data
