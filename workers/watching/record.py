"""What a watcher has made: in SQLite, so that a watcher that was killed goes on where it was."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Self

from workers.watching.folder_scan import Stamp

_NAME = ".darkroom-watch.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS made (
    source BLOB PRIMARY KEY, size INTEGER, modified_ns INTEGER, asked TEXT, whole INTEGER
);
CREATE TABLE IF NOT EXISTS target (path BLOB PRIMARY KEY, source BLOB NOT NULL);
"""


class FolderBusy(Exception):
    """Another watcher writes into this folder."""


class Record:
    """Which results in the folder ``root`` are made, of which files. One watcher has it at a time.

    A result belongs to its source before it appears, so that one that is there and belongs to none
    is never overwritten.
    """

    def __init__(self, root: Path) -> None:
        """Open or make the record.

        Raises:
            FolderBusy: another watcher has it. OSError, sqlite3.Error: it cannot be used.
        """
        self.root = root
        with ExitStack() as opened:
            lock = opened.enter_context((root / f"{_NAME}.lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderBusy(f"another watcher writes into {root}") from None
            self._database = opened.enter_context(closing(sqlite3.connect(root / _NAME)))
            self._database.executescript(_TABLES)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def has(self, source: Path, stamp: Stamp, asked: str) -> bool:
        """Tell whether the results of ``source`` as it is, by ``asked``, are made and there."""
        row = self._database.execute(
            "SELECT size, modified_ns, asked, whole FROM made WHERE source = ?", (_key(source),)
        ).fetchone()
        if row != (stamp.size, stamp.modified_ns, asked, 1):
            return False
        return all(os.path.lexists(self.root / path) for path in self._targets(source))

    def may_write(self, target: Path, source: Path) -> bool:
        """Tell whether ``target`` is free, or a result of ``source``."""
        owner = self._database.execute(
            "SELECT source FROM target WHERE path = ?", (_key(target),)
        ).fetchone()
        if owner is None:
            return not os.path.lexists(self.root / target)
        return bool(owner[0] == _key(source))

    def begin(self, source: Path, stamp: Stamp, asked: str, targets: Sequence[Path]) -> None:
        """Record that ``targets`` are about to be written, as results of ``source``."""
        with self._database:
            self._database.execute("DELETE FROM target WHERE source = ?", (_key(source),))
            self._database.executemany(
                "INSERT INTO target VALUES (?, ?)", [(_key(each), _key(source)) for each in targets]
            )
            self._database.execute(
                "INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, 0)",
                (_key(source), stamp.size, stamp.modified_ns, asked),
            )

    def finish(self, source: Path) -> None:
        """Record that all of them are written."""
        with self._database:
            self._database.execute("UPDATE made SET whole = 1 WHERE source = ?", (_key(source),))

    def _targets(self, source: Path) -> list[Path]:
        rows = self._database.execute("SELECT path FROM target WHERE source = ?", (_key(source),))
        return [Path(os.fsdecode(path)) for (path,) in rows]


def _key(path: Path) -> bytes:
    """Return a path below a folder as bytes: a name need not be UTF-8."""
    return os.fsencode(path)
