"""Disk space for uploads: the spool budget (MAX_SPOOL_BYTES) and the free-space check."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading

import structlog
from aiohttp import web
from async_lru import alru_cache

from models.errors import InsufficientResources, StoreUnavailable
from models.settings.uploads import UploadSettings
from models.store import Store
from service.uploads.spool import Spool

log = structlog.get_logger()

_MEASUREMENT_SECONDS = 1.0  # for which a measurement is used
_SPOOL_FULL_RETRY_SECONDS = 10
_DISK_FULL_RETRY_SECONDS = 30


class DiskSpace:
    """Limits the bytes in all spool files together, and stops uploads before a disk is full.

    One for each service.
    """

    def __init__(self, settings: UploadSettings, store: Store) -> None:
        self._min_free_bytes = settings.min_free_disk_bytes
        self._max_spooled_bytes = max(settings.max_spool_bytes, settings.max_batch_bytes)
        self._task_stats = store.task_stats
        self._least_free = alru_cache(ttl=_MEASUREMENT_SECONDS)(self._measure)
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


DISK_SPACE = web.AppKey("disk_space", DiskSpace)
