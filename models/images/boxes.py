"""The boxes of ISO base media files (ISO/IEC 14496-12), and the items of pictures within them.

All functions raise ValueError, KeyError or IndexError where a file is broken or exceeds a limit.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.images.structure import MAX_BLOCKS, Bytes

FULL_BOX_BYTES = 4  # version and flags
MAX_ITEMS = 1000
"""Items, and extents, of a file; a picture of 48 megapixels in tiles has 200. Without it, an extent
that takes no byte could be listed 65535 times by each item, and a file of 2 KB would be read for
seconds."""
_MAX_ASSOCIATIONS = 8000  # of items and properties; an item has four or so

Span = tuple[int, int]
Property = tuple[bytes, int, int]
"""Kind, start and end of a box."""


def boxes(data: Bytes, at: int, end: int, *, strict: bool = True) -> Iterator[Property]:
    """Yield (kind, start, end) of the body of each box from ``at`` to ``end``.

    A box that does not fit is broken; not ``strict``: what follows the last that fits is ignored.
    """
    for _ in range(MAX_BLOCKS):
        if at == end:
            return
        head = data[at : at + 8]
        size, start = int.from_bytes(head[:4]), at + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8]), at + 16
        stop = end if size == 0 else at + size
        if len(head) < 8 or not start <= stop <= end:
            if strict:
                raise ValueError
            return
        yield head[4:8], start, stop
        at = stop
    raise ValueError


def number(data: Bytes, at: int, size: int, end: int) -> int:
    if at + size > end:
        raise ValueError
    return int.from_bytes(data[at : at + size])


def few(count: int, most: int = MAX_ITEMS) -> int:
    """Return ``count``; ValueError if it is more than ``most``."""
    if count > most:
        raise ValueError
    return count


def contents(data: Bytes, span: Span) -> dict[bytes, Span]:
    """Return the boxes in a full box by kind."""
    return {kind: (s, e) for kind, s, e in boxes(data, span[0] + FULL_BOX_BYTES, span[1])}


def check_extents(data: Bytes, at: int, end: int) -> None:
    """Return if all data of the items in an ``iloc`` box lie in the file."""
    version = number(data, at, 1, end)
    sizes = number(data, at + 4, 2, end)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    wide = 2 if version < 2 else 4
    items, extents_left = number(data, at + 6, wide, end), MAX_ITEMS
    at += 6 + wide
    for _ in range(few(items)):
        at += wide
        method = 0
        if version:
            method = number(data, at, 2, end) & 15
            at += 2
        base = number(data, at + 2, base_size, end)
        extents = number(data, at + 2 + base_size, 2, end)
        extents_left -= few(extents, extents_left)
        at += 4 + base_size
        for _ in range(extents):
            offset = number(data, at + index_size, offset_size, end)
            length = number(data, at + index_size + offset_size, length_size, end)
            at += index_size + offset_size + length_size
            if method == 0 and base + offset + length > len(data):
                raise ValueError


def primary_item(data: Bytes, span: Span) -> int:
    """Return the id that a ``pitm`` box names."""
    start, end = span
    return number(data, start + 4, 2 if number(data, start, 1, end) == 0 else 4, end)


def item_kinds(data: Bytes, span: Span) -> dict[int, bytes]:
    """Return the kinds of the items in an ``iinf`` box by their ids."""
    start, end = span
    wide = 2 if number(data, start, 1, end) == 0 else 4
    few(number(data, start + 4, wide, end))
    found: dict[int, bytes] = {}
    for kind, at, stop in boxes(data, start + 4 + wide, end):
        version = number(data, at, 1, stop)
        if kind == b"infe" and version >= 2:
            wide = 2 if version == 2 else 4
            found[number(data, at + 4, wide, stop)] = data[at + 6 + wide : at + 10 + wide]
        few(len(found))
    return found


def references(data: Bytes, span: Span) -> list[tuple[bytes, int, list[int]]]:
    """Return (kind, from, to) of the references between items in an ``iref`` box."""
    start, end = span
    wide = 2 if number(data, start, 1, end) == 0 else 4
    found, left = [], _MAX_ASSOCIATIONS
    for kind, at, stop in boxes(data, start + FULL_BOX_BYTES, end):
        item, count = number(data, at, wide, stop), number(data, at + wide, 2, stop)
        left -= few(count + 1, left)
        first = at + wide + 2
        to = [number(data, first + n * wide, wide, stop) for n in range(count)]
        found.append((kind, item, to))
    return found


def properties(data: Bytes, span: Span) -> dict[int, list[Property]]:
    """Return the properties in an ``iprp`` box by the ids of the items that have them."""
    parts = {kind: (s, e) for kind, s, e in boxes(data, *span)}
    known = list(boxes(data, *parts[b"ipco"]))
    at, end = parts[b"ipma"]
    version, flags = number(data, at, 1, end), number(data, at + 1, 3, end)
    entries = number(data, at + 4, 4, end)
    wide, each = (2 if version == 0 else 4), (2 if flags & 1 else 1)
    at += 8
    found: dict[int, list[Property]] = {}
    left = _MAX_ASSOCIATIONS
    for _ in range(few(entries)):
        item, count = number(data, at, wide, end), number(data, at + wide, 1, end)
        left -= few(count, left)
        at += wide + 1
        numbers = [number(data, at + n * each, each, end) for n in range(count)]
        at += count * each
        # The highest bit says that a reader has to know the property; 0 is none.
        places = [each_number & (1 << 8 * each - 1) - 1 for each_number in numbers]
        found[item] = [known[place - 1] for place in places if place]
    return found
