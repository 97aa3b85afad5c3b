"""Walk the boxes of an AVIF file: the size of its picture, and whether the file is complete."""

from __future__ import annotations

from collections.abc import Iterator

from models.errors import BadImage
from models.images.structure import MAX_BLOCKS, Bytes, checked_size

_BRANDS = frozenset({b"avif", b"avis"})
_FULL_BOX_BYTES = 4  # version and flags
_MAX_BRANDS_BYTES = 1024
_MAX_ITEMS = 1000
"""Items, and extents, of a file; a result has four. Without it, an extent that takes no byte could
be listed 65535 times by each item, and a file of 2 KB would be read for seconds."""


def read_size(data: Bytes) -> tuple[int, int]:
    """Return (width, height) of the primary item of an AVIF file (AV1 Image File Format, HEIF).

    Every box must end within its container, the last one where the file does, and the data of all
    items must lie within the file. A rotation or a mirror of the item counts as broken: no writer
    of results makes one.

    Raises:
        BadImage: the file ends early or late, or its boxes are broken.
    """
    try:
        boxes = {kind: (start, end) for kind, start, end in _boxes(data, 0, len(data))}
        start, end = boxes[b"ftyp"]
        if end - start > _MAX_BRANDS_BYTES:
            raise ValueError
        brands = data[start:end]
        if not _BRANDS.intersection(brands[at : at + 4] for at in range(0, len(brands), 4)):
            raise ValueError
        start, end = boxes[b"meta"]
        meta = {k: (s, e) for k, s, e in _boxes(data, start + _FULL_BOX_BYTES, end)}
        _check_extents(data, *meta[b"iloc"])
        size = _primary_size(data, meta)
    except (ValueError, KeyError, IndexError):
        raise BadImage(
            "the AVIF file is broken or truncated: its boxes do not end where it does"
        ) from None
    return checked_size("AVIF", size, 1)


def _boxes(data: Bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the body of each box; ValueError if one does not fit."""
    for _ in range(MAX_BLOCKS):
        if at == end:
            return
        head = data[at : at + 8]
        size, start = int.from_bytes(head[:4]), at + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8]), at + 16
        stop = end if size == 0 else at + size
        if len(head) < 8 or not start <= stop <= end:
            raise ValueError
        yield head[4:8], start, stop
        at = stop
    raise ValueError


def _number(data: Bytes, at: int, size: int, end: int) -> int:
    if at + size > end:
        raise ValueError
    return int.from_bytes(data[at : at + size])


def _few(count: int, most: int = _MAX_ITEMS) -> int:
    """Return ``count``; ValueError if it is more than ``most``."""
    if count > most:
        raise ValueError
    return count


def _check_extents(data: Bytes, at: int, end: int) -> None:
    """Return if all data of the items in an ``iloc`` box lie in the file; else ValueError."""
    version = _number(data, at, 1, end)
    sizes = _number(data, at + 4, 2, end)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    wide = 2 if version < 2 else 4
    items, extents_left = _number(data, at + 6, wide, end), _MAX_ITEMS
    at += 6 + wide
    for _ in range(_few(items)):
        at += wide
        method = 0
        if version:
            method = _number(data, at, 2, end) & 15
            at += 2
        base = _number(data, at + 2, base_size, end)
        extents = _number(data, at + 2 + base_size, 2, end)
        extents_left -= _few(extents, extents_left)
        at += 4 + base_size
        for _ in range(extents):
            offset = _number(data, at + index_size, offset_size, end)
            length = _number(data, at + index_size + offset_size, length_size, end)
            at += index_size + offset_size + length_size
            if method == 0 and base + offset + length > len(data):
                raise ValueError


def _primary_size(data: Bytes, meta: dict[bytes, tuple[int, int]]) -> tuple[int, int]:
    """Return the size that the properties of the primary item say."""
    start, end = meta[b"pitm"]
    wide = 2 if _number(data, start, 1, end) == 0 else 4
    primary = _number(data, start + 4, wide, end)
    parts = {k: (s, e) for k, s, e in _boxes(data, *meta[b"iprp"])}
    properties = list(_boxes(data, *parts[b"ipco"]))
    at, end = parts[b"ipma"]
    version, flags = _number(data, at, 1, end), _number(data, at + 1, 3, end)
    entries = _number(data, at + 4, 4, end)
    wide, each = (2 if version == 0 else 4), (2 if flags & 1 else 1)
    at += 8
    for _ in range(_few(entries)):
        item, count = _number(data, at, wide, end), _number(data, at + wide, 1, end)
        at += wide + 1
        numbers = [_number(data, at + n * each, each, end) for n in range(count)]
        at += count * each
        if item != primary:
            continue
        # The highest bit says that a reader has to know the property.
        own = [properties[(number & (1 << 8 * each - 1) - 1) - 1] for number in numbers]
        if any(kind in {b"irot", b"imir"} for kind, _, _ in own):
            raise ValueError
        for kind, start, stop in own:
            if kind == b"ispe":
                return _number(data, start + 4, 4, stop), _number(data, start + 8, 4, stop)
    raise ValueError
