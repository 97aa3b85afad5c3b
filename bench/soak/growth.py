"""Growth: figures at rest after the first half compared with those after the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.settings.worker import usable_cores

_MB = 1_000_000

_MUST_BE_ZERO = frozenset(
    {
        "MongoDB: intermediates.chunks",
        "MongoDB: intermediates.files",
        "MongoDB: originals.chunks",
        "MongoDB: originals.files",
        "MongoDB: results.chunks",
        "MongoDB: results.files",
        "MongoDB: tasks not ended",
        "files in scratch folders",
        "service: connections of clients",
    }
)
"""Figures that must be zero at rest: all of it has expired."""

_MAX_MORE = {"handles": 4, "threads": 4, "keys": 4}
"""Allowed increase: a pool was perhaps not full before."""

_MAX_MORE_OF = {"children: handles": 14, "worker: handles": 8}
"""The same, where the child for short tasks is started when it is first needed."""

_MAX_ABSOLUTE = {
    "children: threads": 28 * usable_cores(),  # an engine has some for each network it keeps
    "mongod: memory": 700 * _MB,  # its cache takes 256 MB
    "mongod: threads": 300,  # one for each connection in the pools, of a hundred at most
}
"""Absolute limits, for figures that may reach their limit late."""

_MAX_MEMORY_GROWTH = {
    # An engine keeps what the largest picture so far needed, and there may be a child more.
    "children": (0.15, 90 * _MB),
    # Of 10,000 small tasks the first 6,000 took it from 63 to 71 MB and the rest no further; no
    # Python object had grown (tracemalloc).
    "worker": (0.05, 20 * _MB),
    "Redis": (0.0, 1 * _MB),
}
"""Share and bytes by which memory may be more; else the default."""

_DEFAULT_MEMORY_GROWTH = (0.05, 10 * _MB)  # an allocator keeps some freed memory


@dataclass(frozen=True)
class GrowthRow:
    """One row of the table: a figure at rest, under load, and at rest again."""

    what: str
    middle: int
    peak: int
    end: int
    most: int

    @property
    def grew(self) -> bool:
        return self.end > self.most

    def __str__(self) -> str:
        unit = _MB if self.what.endswith("memory") else 1
        cells = (self.middle, self.peak, self.end, self.most)
        shown = [f"{cell / unit:.1f} MB" if unit > 1 else str(cell) for cell in cells]
        return f"| {self.what} | {' | '.join(shown)} |{' **grew** |' if self.grew else ''}"


def _maximum(what: str, middle: int) -> int:
    """Return the highest allowed value at the end of a figure that was ``middle`` before."""
    if what in _MUST_BE_ZERO:
        return 0
    if what in _MAX_ABSOLUTE:
        return _MAX_ABSOLUTE[what]
    owner, _, kind = what.partition(": ")
    if kind == "memory":
        share, least = _MAX_MEMORY_GROWTH.get(owner, _DEFAULT_MEMORY_GROWTH)
        return middle + max(least, round(middle * share))
    return middle + _MAX_MORE_OF.get(what, _MAX_MORE[kind])


def compare(
    middle: Mapping[str, int], peak: Mapping[str, int], end: Mapping[str, int]
) -> list[GrowthRow]:
    """Return a row for each figure; a missing one counts as zero."""
    names = sorted({*middle, *end}, key=lambda name: (name.partition(": ")[2], name))
    return [
        GrowthRow(
            name,
            middle.get(name, 0),
            max(peak.get(name, 0), middle.get(name, 0), end.get(name, 0)),
            end.get(name, 0),
            _maximum(name, middle.get(name, 0)),
        )
        for name in names
    ]
