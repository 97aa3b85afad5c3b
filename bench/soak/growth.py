"""Whether anything grew: what was held at rest after the first half, and after the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.settings import cores

_MB = 1_000_000

_NOTHING = frozenset(
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
"""Of these nothing may be left: all of it has had its time."""

_MORE = {"handles": 4, "threads": 4, "keys": 4}
"""How many more there may be: a pool that was not full before."""

_MOST = {
    "children: threads": 24 * cores(),  # an engine has some for each network it keeps
    "mongod: memory": 700 * _MB,  # its cache takes 256 MB
    "mongod: threads": 300,  # one for each connection in the pools, of a hundred at most
}
"""Where there is a bound that may be reached late."""

_MEMORY = {
    "children": (0.15, 40 * _MB),  # an engine keeps what the largest picture so far needed
    "Redis": (0.0, 1 * _MB),
}
"""Share and bytes by which memory may be more; other processes: ``_USUAL``."""

_USUAL = (0.05, 10 * _MB)  # what an allocator does not give back


@dataclass(frozen=True)
class Line:
    """One figure of the table."""

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


def _most(what: str, middle: int) -> int:
    """Return how much there may be at the end of what was ``middle`` after the first half."""
    if what in _NOTHING:
        return 0
    if what in _MOST:
        return _MOST[what]
    owner, _, kind = what.partition(": ")
    if kind == "memory":
        share, least = _MEMORY.get(owner, _USUAL)
        return middle + max(least, round(middle * share))
    return middle + _MORE[kind]


def judge(middle: Mapping[str, int], peak: Mapping[str, int], end: Mapping[str, int]) -> list[Line]:
    """Return a line for each figure, those that were not there once counting as zero then."""
    names = sorted({*middle, *end}, key=lambda name: (name.partition(": ")[2], name))
    return [
        Line(
            name,
            middle.get(name, 0),
            max(peak.get(name, 0), middle.get(name, 0), end.get(name, 0)),
            end.get(name, 0),
            _most(name, middle.get(name, 0)),
        )
        for name in names
    ]
