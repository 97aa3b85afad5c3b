"""Disk space for uploads: the spool budget (MAX_SPOOL_BYTES) and the free-space check."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from aiohttp import web

from models.errors import InsufficientResources
from models.free_space import FreeSpace
from models.settings.uploads import UploadSettings
from models.store import Store
from service.uploads.spool import Spool

_SPOOL_FULL_RETRY_SECONDS = 10


class DiskSpace:
    """Limits the bytes in all spool files together. One for each service.

    ``free_space`` ends uploads before a disk is full.
    """

    def __init__(self, settings: UploadSettings, store: Store) -> None:
        self._max_spooled_bytes = max(settings.max_spool_bytes, settings.max_batch_bytes)
        folder = Path(tempfile.gettempdir())
        self.free_space = FreeSpace(settings, store, "the service", folder)
        self._lock = threading.Lock()  # POST /items/ spools in threads
        self.spooled_bytes = 0

    def spool(self) -> Spool:
        """Return a temporary file whose bytes count against MAX_SPOOL_BYTES until it is closed."""
        return Spool(self.reserve)

    def reserve(self, count: int) -> None:
        """Count ``count`` bytes before they are written; a negative number frees them.

        Raises:
            InsufficientResources: all spool files together would exceed MAX_SPOOL_BYTES.
        """
        with self._lock:
            total = self.spooled_bytes + count
            if count > 0 and total > self._max_spooled_bytes:
                raise InsufficientResources(
                    f"the uploads in progress would have {total} bytes; at most "
                    f"{self._max_spooled_bytes} are allowed (MAX_SPOOL_BYTES); nothing was "
                    "accepted, try again shortly",
                    setting="MAX_SPOOL_BYTES",
                    limit=self._max_spooled_bytes,
                    measured=total,
                    retry_after=_SPOOL_FULL_RETRY_SECONDS,
                )
            self.spooled_bytes = total


DISK_SPACE = web.AppKey("disk_space", DiskSpace)
