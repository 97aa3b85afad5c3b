"""Disk space for uploads: each client's share of MAX_SPOOL_BYTES, and the free-space check."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from functools import partial

import structlog
from aiohttp import web
from async_lru import alru_cache

from models.errors import InsufficientResources, StoreUnavailable
from models.settings.uploads import UploadSettings
from models.slots import Slots
from models.store import Store
from service.http.request_body import form_limit
from service.uploads.spool import Spool

log = structlog.get_logger()

_MEASUREMENT_SECONDS = 1.0  # for which a measurement is used
_SETTING = "MAX_SPOOL_BYTES"
_SPOOL_FULL_RETRY_SECONDS = 10
_DISK_FULL_RETRY_SECONDS = 30


class DiskSpace:
    """Limits the bytes of all uploads in progress, and stops them before a disk is full.

    A client may hold half of MAX_SPOOL_BYTES without what others hold, and at least as many as one
    submission may have. One for each service.
    """

    def __init__(self, settings: UploadSettings, store: Store) -> None:
        self._min_free_bytes = settings.min_free_disk_bytes
        most, _, beside = form_limit(settings.max_batch, settings)
        self._one_submission = most + beside
        self._max_bytes = max(settings.max_spool_bytes, self._one_submission)
        self._task_stats = store.task_stats
        self._least_free = alru_cache(ttl=_MEASUREMENT_SECONDS)(self._measure)
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

    async def check_free(self) -> None:
        """Return if the disks of the service and of MongoDB have enough free space.

        The measurement is cached, so that it may be called often.

        Raises:
            InsufficientResources: less than MIN_FREE_DISK_BYTES is free on one of them.
        """
        if not self._min_free_bytes:
            return
        try:
            owner, free = await self._least_free()
        except StoreUnavailable:
            return  # the next call that needs the store reports it
        if free < self._min_free_bytes:
            log.error("disk_full", disk=owner, free=free, limit=self._min_free_bytes)
            raise InsufficientResources(
                f"{free // 1_000_000} MB are free on the disk of {owner}; uploads need at least "
                f"{self._min_free_bytes // 1_000_000} MB (MIN_FREE_DISK_BYTES); nothing was "
                "accepted",
                setting="MIN_FREE_DISK_BYTES",
                limit=self._min_free_bytes,
                measured=free,
                retry_after=_DISK_FULL_RETRY_SECONDS,
            )

    async def _measure(self) -> tuple[str, int]:
        """Return the disk with the least free space, and its free bytes."""
        spool = await asyncio.to_thread(shutil.disk_usage, tempfile.gettempdir())
        database = (await self._task_stats.storage()).disk
        disks = [("the service", spool.free)]
        if database is not None:
            disks.append(("MongoDB", database[0]))
        return min(disks, key=lambda disk: disk[1])


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
