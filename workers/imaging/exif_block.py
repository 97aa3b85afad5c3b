"""What an EXIF block says, read without trust: nothing here raises on a hostile block.

All functions take the block with or without its ``Exif`` prefix, and read its first 64 KiB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from models.images.exif import (
    ORIENTATION_TAG,
    PREFIX,
    Entry,
    byte_order,
    first_directory,
    read_entries,
)
from models.images.structure import MAX_EXIF_BYTES

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
ARTIST, COPYRIGHT = 0x013B, 0x8298
EXIF_DIRECTORY, INTEROPERABILITY_DIRECTORY = 0x8769, 0xA005
CAPTURED, PIXELS_ACROSS, PIXELS_DOWN = 0x9003, 0xA002, 0xA003

TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 129: 1}
"""Bytes of a value by its type (EXIF 3.0, 4.6.2)."""
_INTEGER_CODES = {1: "B", 3: "H", 4: "I"}
RATIONAL = 5

_TEXTS = frozenset({2, 7, 129})  # ASCII, bytes, UTF-8
_COLOUR_SPACE, _INTEROPERABILITY_INDEX = 0xA001, 0x0001
_ADOBE_RGB, _ADOBE_RGB_INDEX = 2, b"R03"

# What says nothing but how samples are stored, or what is kept in another way.
_STRUCTURAL = {
    *(ORIENTATION_TAG, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, EXIF_DIRECTORY),
    *(0x0213, 0x9000, 0x9101, 0xA000, PIXELS_ACROSS, PIXELS_DOWN, _COLOUR_SPACE),
    *(INTEROPERABILITY_DIRECTORY, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x0115),
}
_MAX_DIRECTORIES = 8  # in the chain of the first: the second holds the thumbnail


class ExifBlock:
    """The directories of a block. ``order`` is None where it is not EXIF: then it has no entries.

    ``data`` is the block without its prefix.
    """

    def __init__(self, block: bytes) -> None:
        self.data = bytearray(block[: MAX_EXIF_BYTES + len(PREFIX)].removeprefix(PREFIX))
        self.order = byte_order(self.data)

    def chain(self) -> list[int]:
        """Return where the directories of the first chain start: the picture, its thumbnail."""
        found: list[int] = []
        at = first_directory(self.data, self.order) if self.order else 0
        while 8 <= at < len(self.data) and at not in found and len(found) < _MAX_DIRECTORIES:
            found.append(at)
            at = self.next_directory(at)
        return found

    def next_link(self, start: int) -> int | None:
        """Return where the directory at ``start`` says where the next one is."""
        if start + 2 > len(self.data):
            return None
        at: int = start + 2 + 12 * struct.unpack_from(f"{self.order}H", self.data, start)[0]
        return at if at + 4 <= len(self.data) else None

    def next_directory(self, start: int) -> int:
        """Return where the directory after the one at ``start`` is; 0: there is none."""
        at = self.next_link(start)
        return 0 if at is None else int(struct.unpack_from(f"{self.order}I", self.data, at)[0])

    def entries(self, start: int) -> Iterator[Entry]:
        return read_entries(self.data, self.order, start) if self.order else iter(())

    def main(self) -> list[Entry]:
        """Return the entries of the first directory."""
        return list(self.entries(starts[0])) if (starts := self.chain()) else []

    def sub(self, tag: int, entries: list[Entry]) -> list[Entry]:
        """Return the entries of the directory that ``tag`` among ``entries`` points to."""
        for entry in entries:
            if entry.tag == tag and (found := self.integers(entry)):
                return list(self.entries(found[0]))
        return []

    def place(self, entry: Entry) -> tuple[int, int]:
        """Return (start, bytes) of the values of ``entry``; (0, 0) if they are not in the block."""
        size = TYPE_BYTES.get(entry.kind, 0) * entry.count
        start = entry.at + 8
        if start + 4 > len(self.data):
            return 0, 0
        if size > 4:
            (start,) = struct.unpack_from(f"{self.order}I", self.data, start)
        return (start, size) if size and start + size <= len(self.data) else (0, 0)

    def value(self, entry: Entry) -> bytes:
        start, size = self.place(entry)
        return bytes(self.data[start : start + size])

    def integers(self, entry: Entry) -> tuple[int, ...]:
        """Return the values of an entry of whole numbers."""
        code, found = _INTEGER_CODES.get(entry.kind), self.value(entry)
        return struct.unpack(f"{self.order}{entry.count}{code}", found) if code and found else ()

    def rational(self, entry: Entry) -> float | None:
        """Return the first value of an entry of fractions."""
        if entry.kind != RATIONAL or len(found := self.value(entry)) < 8:
            return None
        above, below = struct.unpack_from(f"{self.order}II", found)
        return above / below if below else None


def read_resolution(block: bytes) -> tuple[float, float, int] | None:
    """Return X resolution, Y resolution and unit (1: none, 2: inch, 3: centimetre)."""
    exif = ExifBlock(block)
    by_tag = {entry.tag: entry for entry in reversed(exif.main())}
    if not {X_RESOLUTION, Y_RESOLUTION} <= by_tag.keys():
        return None
    x, y = exif.rational(by_tag[X_RESOLUTION]), exif.rational(by_tag[Y_RESOLUTION])
    units = exif.integers(by_tag[RESOLUTION_UNIT]) if RESOLUTION_UNIT in by_tag else ()
    return None if x is None or y is None else (x, y, units[0] if units else 2)


def is_adobe_rgb(block: bytes) -> bool:
    """Return whether the colours are Adobe RGB: DCF 2.0 says so by the index R03."""
    exif = ExifBlock(block)
    detail = exif.sub(EXIF_DIRECTORY, exif.main())
    spaces = [exif.integers(entry) for entry in detail if entry.tag == _COLOUR_SPACE]
    indexes = [
        exif.value(entry)[:3]
        for entry in exif.sub(INTEROPERABILITY_DIRECTORY, detail)
        if entry.tag == _INTEROPERABILITY_INDEX
    ]
    return spaces[:1] == [(_ADOBE_RGB,)] or indexes[:1] == [_ADOBE_RGB_INDEX]


def read_texts(block: bytes) -> dict[int, bytes]:
    """Return artist, copyright and time of capture, as stored, by their tags."""
    exif = ExifBlock(block)
    main = exif.main()
    wanted = [entry for entry in main if entry.tag in {ARTIST, COPYRIGHT}]
    wanted += [entry for entry in exif.sub(EXIF_DIRECTORY, main) if entry.tag == CAPTURED]
    found = {
        entry.tag: exif.value(entry).strip(b"\0 ")
        for entry in reversed(wanted)
        if entry.kind in _TEXTS
    }
    return {tag: text for tag, text in found.items() if text}


def has_content(block: bytes, besides: frozenset[int] = frozenset()) -> bool:
    """Return whether a block says more than ``besides`` and how the picture is stored."""
    exif = ExifBlock(block)
    main = exif.main()
    tags = {entry.tag for entry in (*main, *exif.sub(EXIF_DIRECTORY, main))}
    return bool(tags - _STRUCTURAL - besides)


def has_thumbnail(block: bytes) -> bool:
    """Return whether a block holds a small copy of the picture."""
    return len(ExifBlock(block).chain()) > 1
