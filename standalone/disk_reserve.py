"""DiskReserve: space that is given to mongod when the disk is full, so that it can start again.

mongod ends when it cannot write its journal, and needs some space to recover. With the reserve it
serves and deletes what it has, while uploads and new results are refused (MIN_FREE_DISK_BYTES).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

from standalone.process import print_status

_BYTES = 64 * 1024 * 1024  # mongod recovers and deletes a thousand results with a tenth of it
_CHECK_SECONDS = 30.0


class DiskReserve:
    """A file without content in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "disk-reserve"

    async def keep(self) -> None:
        """Take the space whenever the disk has more than twice as much beside it."""
        while True:
            if not self._file.exists() and self._free > 3 * _BYTES:
                await asyncio.to_thread(self._take)
            await asyncio.sleep(_CHECK_SECONDS)

    def release_if_full(self) -> None:
        """Give the space back if the disk has less free: mongod has ended, perhaps for that."""
        if self._free < _BYTES and self._file.exists():
            self._file.unlink()
            print_status(
                f"the disk of {self._folder} is nearly full: mongod gets the reserve of "
                f"{_BYTES >> 20} MiB, with which it serves and deletes results; free some space"
            )

    @property
    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _take(self) -> None:
        part = self._file.with_suffix(".part")
        with contextlib.suppress(OSError):  # the disk filled up, or cannot reserve
            try:
                with part.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, _BYTES)
                part.replace(self._file)
            finally:
                part.unlink(missing_ok=True)
