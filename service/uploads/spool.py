"""The spool: one unnamed temporary file that holds all uploaded images of a request."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO


class SpooledFile:
    """One image in a spool: bytes ``start`` to ``start + size`` of the temporary file.

    It reads like a file; its position is independent of the other images' positions.
    """

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._position = 0
        self.start = start
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``; allowed only for the last image of the spool."""
        self._file.write(data)
        self.size += len(data)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def seek(self, position: int, /) -> int:
        self._position = position
        return position

    def read(self, size: int = -1) -> bytes:
        left = self.size - self._position
        count = left if size < 0 else min(size, left)
        data = os.pread(self.fileno(), count, self.start + self._position)
        self._position += len(data)
        return data


class Spool(ExitStack):
    """An unnamed temporary file; it is deleted, and its bytes are freed, when the block ends."""

    def __init__(self, reserve: Callable[[int], None] | None = None) -> None:
        """``reserve`` counts bytes, see ``DiskSpace.reserve``; None: they are not counted."""
        super().__init__()
        self._reserve_bytes = reserve
        self._size = 0
        self.callback(self._free)  # registered first, so that it runs after the file is deleted
        file = tempfile.TemporaryFile(prefix="darkroom-")  # noqa: SIM115 -- closed by the ExitStack
        self._file: BinaryIO = self.enter_context(file)

    def new_file(self) -> SpooledFile:
        """Return an empty file for the next image; it starts where memory can be mapped."""
        end = self._file.seek(0, os.SEEK_END)
        start = -(-end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._file.seek(start)
        return SpooledFile(self._file, start)

    def reserve(self, count: int) -> None:
        """Count ``count`` bytes that arrived, before any of them is written.

        Raises:
            InsufficientResources: see ``DiskSpace.reserve``.
        """
        if self._reserve_bytes is not None:
            self._reserve_bytes(count)
        self._size += count

    def _free(self) -> None:
        if self._reserve_bytes is not None:
            self._reserve_bytes(-self._size)
