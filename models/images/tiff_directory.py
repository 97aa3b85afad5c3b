"""The directory of a TIFF or BigTIFF file: its tags, of which only those asked for are read."""

from __future__ import annotations

import struct

from models.errors import BadImage
from models.images.structure import MAX_BLOCKS, Bytes

_MAX_TAGS = 2000  # of a directory; scanners write twenty, cameras a hundred
_BIG = 43  # the version of BigTIFF, with offsets of 8 bytes
_TYPE_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TWO_BYTES, _FOUR_BYTES, _EIGHT_BYTES = {3, 8}, {4, 9, 11, 13}, {5, 10, 12, 16, 17, 18}
"""Types by the bytes of a value; that of all others is taken for one."""


class Directory:
    """A directory: its entries by tag, none of whose values was read."""

    def __init__(self, data: Bytes, at: int, order: str, big: bool) -> None:
        """Read the entries at ``at``; ``order``: of bytes, as struct names it.

        Raises:
            BadImage: the file ends before they do, or there are too many.
        """
        self._data, self._order, self._big = data, order, big
        self._value_bytes = 8 if big else 4
        (count,) = _unpack(data, f"{order}{'Q' if big else 'H'}", at)
        at += 8 if big else 2
        if count > _MAX_TAGS:
            raise BadImage(
                f"the TIFF file has {count} tags; at most {_MAX_TAGS} are read",
                limit=_MAX_TAGS,
                measured=count,
            )
        form = f"{order}HH{'Q' if big else 'I'}"
        step = 20 if big else 12
        self._entries: dict[int, tuple[int, int, int]] = {}
        for place in range(at, at + count * step, step):
            tag, kind, number = _unpack(data, form, place)
            self._entries.setdefault(tag, (kind, number, place + step - self._value_bytes))
        (self._next,) = _unpack(data, f"{order}{'Q' if big else 'I'}", at + count * step)

    @classmethod
    def first(cls, data: Bytes) -> Directory:
        """Return the first directory of a file; errors as of the constructor."""
        order = "<" if data[:2] == b"II" else ">"
        (version,) = _unpack(data, f"{order}H", 2)
        big = version == _BIG
        (start,) = _unpack(data, f"{order}{'Q' if big else 'I'}", 8 if big else 4)
        return cls(data, start, order, big)

    def following(self) -> Directory | None:
        """Return the next directory of the chain; None: there is none that can be read."""
        try:
            return Directory(self._data, self._next, self._order, self._big) if self._next else None
        except BadImage:
            return None

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def byte_count(self, tag: int) -> int:
        """Return the number of values of ``tag``, which are bytes; 0: it has none."""
        return self._entries.get(tag, (0, 0, 0))[1]

    def total_bytes(self) -> int:
        """Return the bytes of the values of all tags, but of those that lie in their entries."""
        sizes = (number * _value_bytes(kind) for kind, number, _ in self._entries.values())
        return sum(size for size in sizes if size > self._value_bytes)

    def values(self, tag: int) -> tuple[int, ...]:
        """Return the whole numbers of ``tag``; empty: it has none."""
        kind, count, at = self._entries.get(tag, (3, 0, 0))
        code = _TYPE_CODES.get(kind)
        if code is None:
            raise BadImage(f"the TIFF file is broken: its tag {tag} holds no whole numbers")
        if count > MAX_BLOCKS:
            raise BadImage(
                f"the TIFF file has {count} values in its tag {tag}; at most {MAX_BLOCKS} are read",
                limit=MAX_BLOCKS,
                measured=count,
            )
        form = f"{self._order}{count}{code}"
        if struct.calcsize(form) > self._value_bytes:
            size = "Q" if self._value_bytes == 8 else "I"
            (at,) = _unpack(self._data, f"{self._order}{size}", at)
        return _unpack(self._data, form, at)

    def value(self, tag: int, default: int) -> int:
        """Return the first number of ``tag``."""
        return next(iter(self.values(tag)), default)


def _value_bytes(kind: int) -> int:
    if kind in _EIGHT_BYTES:
        return 8
    return 4 if kind in _FOUR_BYTES else 2 if kind in _TWO_BYTES else 1


def _unpack(data: Bytes, form: str, at: int) -> tuple[int, ...]:
    size = struct.calcsize(form)
    if at + size > len(data):
        raise BadImage(
            f"the TIFF file is truncated: it needs {at + size} bytes, and {len(data)} came; send "
            "all of it",
            limit=at + size,
            measured=len(data),
        )
    return struct.unpack_from(form, data, at)
