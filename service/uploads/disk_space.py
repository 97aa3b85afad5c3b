"""Disk space for uploads: each client's share of MAX_SPOOL_BYTES, and the free-space check."""

from __future__ import annotations

import tempfile
import threading
from functools import partial
from pathlib import Path

from aiohttp import web

from models.errors import InsufficientResources
from models.free_space import FreeSpace
from models.settings.uploads import UploadSettings
from models.slots import Slots
from models.store import Store
from service.http.request_body import form_limit
from service.uploads.spool import Spool

_SETTING = "MAX_SPOOL_BYTES"
_SPOOL_FULL_RETRY_SECONDS = 10


class DiskSpace:
    """Limits the bytes of all uploads in progress. One for each service.

    A client may hold half of MAX_SPOOL_BYTES without what others hold, and at least as many as one
    submission may have. ``free_space`` ends uploads before a disk is full.
    """

    def __init__(self, settings: UploadSettings, store: Store) -> None:
        most, _, beside = form_limit(settings.max_batch, settings)
        self._one_submission = most + beside
        self._max_bytes = max(settings.max_spool_bytes, self._one_submission)
        folder = Path(tempfile.gettempdir())
        self.free_space = FreeSpace(settings, store, "the service", folder)
        self._lock = threading.Lock()  # POST /items/ spools in threads
        self._held = Slots((_SETTING, self._one_submission), (_SETTING, self._max_bytes))

    @property
    def spooled_bytes(self) -> int:
        """Bytes of all uploads in progress."""
        return self._held.total

    def spool(self, client: str) -> Spool:
        """Return a temporary file for ``client``; until it is closed, what arrived counts."""
        return Spool(partial(self.reserve, client))

    def reserve(self, client: str, count: int) -> None:
        """Count ``count`` bytes that arrived from ``client``; a negative number frees them.

        Raises:
            InsufficientResources: the client would hold more than its share of MAX_SPOOL_BYTES, or
                all clients together more than that.
        """
        with self._lock:
            if count <= 0:
                self._held.free(client, -count)
                return
            own, total = self._held[client] + count, self._held.total + count
            if total > self._max_bytes:
                raise _no_room("the uploads in progress", total, self._max_bytes)
            share = max(self._one_submission, (self._max_bytes - total + own) // 2)
            if own > share:
                raise _no_room("your uploads in progress", own, share)
            self._held.take(client, count)


def _no_room(what: str, measured: int, limit: int) -> InsufficientResources:
    return InsufficientResources(
        f"{what} would have {measured} bytes; at most {limit} are allowed ({_SETTING}); nothing "
        "was accepted, try again shortly",
        setting=_SETTING,
        limit=limit,
        measured=measured,
        retry_after=_SPOOL_FULL_RETRY_SECONDS,
    )


DISK_SPACE = web.AppKey("disk_space", DiskSpace)
