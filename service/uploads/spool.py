"""Pictures on the service's disk while they are judged: one file a request, however many come."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO

from models.errors import NoRoom

_RETRY_AFTER = 10


class Spools:
    """What lies in all spools of a service: no more than ``most`` bytes together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()  # pictures of POST /items/ are spooled in threads
        self.size = 0

    def grow(self, count: int) -> None:
        """Count bytes that are about to be written; less than nothing: that are gone.

        Raises:
            NoRoom: they would be too many.
        """
        with self._lock:
            size = self.size + count
            if count > 0 and size > self._most:
                raise NoRoom(
                    f"{size} bytes of pictures would be on their way at once; at most {self._most} "
                    "may (MAX_SPOOL_BYTES); nothing was accepted, try again shortly",
                    setting="MAX_SPOOL_BYTES",
                    limit=self._most,
                    measured=size,
                    retry_after=_RETRY_AFTER,
                )
            self.size = size


class Window:
    """One picture in a spool: bytes ``start`` to ``start + size`` of its file.

    Read like a file, without moving anybody else's place in it.
    """

    def __init__(self, file: BinaryIO, start: int, grow: Callable[[int], None]) -> None:
        """``grow`` is told of bytes before they are written, and may refuse them."""
        self._file = file
        self._grow = grow
        self._at = 0
        self.start = start
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``; only the spool's last window may.

        Raises:
            NoRoom: too much lies in all spools.
        """
        self._grow(len(data))
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
    """A temporary file without a name, gone when the block ends, and no more counted then."""

    def __init__(self, spools: Spools | None = None) -> None:
        """``spools``: where what is written counts; None: nowhere, of forms without pictures."""
        super().__init__()
        self._spools = spools
        self._size = 0
        self.callback(self._give_back)  # the first in is the last out: when the file is gone
        file = tempfile.TemporaryFile(prefix="darkroom-")  # noqa: SIM115 -- the next line sees to its end
        self._file: BinaryIO = self.enter_context(file)

    def window(self) -> Window:
        """Return the place of the next picture; it begins where memory can be mapped."""
        end = self._file.seek(0, os.SEEK_END)
        start = -(-end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._file.seek(start)
        return Window(self._file, start, self._grow)

    def _grow(self, count: int) -> None:
        if self._spools is not None:
            self._spools.grow(count)
        self._size += count

    def _give_back(self) -> None:
        if self._spools is not None:
            self._spools.grow(-self._size)
