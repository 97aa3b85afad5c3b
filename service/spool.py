"""Pictures on the service's disk while they are judged: one file a request, however many come."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import ExitStack
from typing import BinaryIO


class Window:
    """One picture in a spool: bytes ``start`` to ``start + size`` of its file.

    Read like a file, without moving anybody else's place in it.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._at = 0
        self.start = start
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``; only the spool's last window may."""
        self._file.write(data)
        self.size += len(data)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, place: int, /) -> int:
        self._at = place
        return place

    def read(self, size: int = -1) -> bytes:
        left = self.size - self._at
        data = os.pread(self.fileno(), left if size < 0 else min(size, left), self.start + self._at)
        self._at += len(data)
        return data


class Spool(ExitStack):
    """A temporary file without a name, gone when the block ends."""

    def __init__(self) -> None:
        super().__init__()
        file = tempfile.TemporaryFile(prefix="darkroom-")  # noqa: SIM115 -- the next line sees to its end
        self._file: BinaryIO = self.enter_context(file)

    def window(self) -> Window:
        """Return the place of the next picture; it begins where memory can be mapped."""
        end = self._file.seek(0, os.SEEK_END)
        start = -(-end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._file.seek(start)
        return Window(self._file, start)
