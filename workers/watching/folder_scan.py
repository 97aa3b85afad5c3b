"""What is in a watched folder, and which of its files have been written to their end."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

SETTLE_SECONDS = 2.0
"""A file that has not changed for so long is taken: programs that write it slower make it fail, and
``YOUNG_SECONDS`` gives it time then."""
YOUNG_SECONDS = 30.0
"""A file that changed within so long may still be written: what fails of it is tried again."""
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", "~")
"""How programs call what they have not finished; they rename it then."""


@dataclass(frozen=True)
class Stamp:
    """By what a file is known to be unchanged: bytes, and time of the last change in ns."""

    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Found:
    """A file in the folder: its path below it, and what it is like; ``young``: see above."""

    path: Path
    stamp: Stamp
    young: bool


class FolderScan:
    """Looks again and again at the files below ``root``.

    Hidden files and folders, links, and names of unfinished downloads are passed over: a link could
    lead anywhere. ``excluded``: folders that are not looked into.
    """

    def __init__(self, root: Path, excluded: Collection[Path] = ()) -> None:
        self.root = root
        self._excluded = {path.resolve() for path in excluded}
        self._seen: dict[Path, tuple[Stamp, float]] = {}
        self.unsettled = 0
        """Number of files that changed lately, in the last look."""

    def look(self) -> list[Found]:
        """Return the files that have not changed for SETTLE_SECONDS, in the order of their paths.

        Raises:
            OSError: the folder itself cannot be read.
        """
        now, seen, settled = time.monotonic(), {}, []
        for path, stamp in self._files(now):
            before, since = self._seen.get(path, (stamp, now))
            if before != stamp:
                since = now
            seen[path] = stamp, since
            if now - since >= SETTLE_SECONDS:
                young = (
                    now - since < YOUNG_SECONDS
                    and time.time() - stamp.modified_ns / 1e9 < YOUNG_SECONDS
                )
                settled.append(Found(path, stamp, young))
        self._seen = seen
        self.unsettled = len(seen) - len(settled)
        return settled

    def _files(self, now: float) -> Iterator[tuple[Path, Stamp]]:
        self.root.stat()  # os.walk passes over what it cannot read
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and (Path(folder) / name).resolve() not in self._excluded
            )
            for name in sorted(names):
                if name.startswith(".") or name.lower().endswith(_UNFINISHED):
                    continue
                path = Path(folder) / name
                try:
                    status = os.lstat(path)
                except OSError:  # it went meanwhile
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield path.relative_to(self.root), Stamp.of(status)
