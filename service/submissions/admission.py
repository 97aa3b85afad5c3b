"""Who may add work: bounds on what is open and on the disk, and each new task's turn."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from models.errors import NoRoom, QueueFull, StoreUnavailable
from models.settings import Settings
from models.store import Store
from service.ttl_cache import Glance
from service.uploads.spool import Spool, Spools

log = structlog.get_logger()

_MEASURED = 60.0  # seconds over which the rate is measured
_LONGEST = 600  # seconds that anybody is told to wait
_NO_RATE = 30  # seconds to wait where nothing ended lately


class Admission:
    """Judges submissions; one for each service."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._backlog = store.backlog
        self._gauges = store.gauges
        self._open = Glance(self._count)
        self._disk = Glance(self._free)
        self._spools = Spools(max(settings.max_spool_bytes, settings.max_batch_bytes))
        self._added = 0  # by this service since the count
        self._coming: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[int]:
        """Give the turn of a task of ``client`` that is created meanwhile.

        Raises:
            QueueFull: MAX_QUEUE tasks are open, or MAX_QUEUE_PER_CLIENT of this client.
        """
        s, ahead = self._settings, self._coming[client]
        self._coming[client] += 1
        try:
            total, own, turn = await asyncio.gather(
                self._open.get(),
                self._backlog.open(s.max_queue_per_client, client),
                self._backlog.turn(client, ahead),
            )
            if total + self._added >= s.max_queue:
                raise await self._full("MAX_QUEUE", s.max_queue, total + self._added, None)
            # Not on the way those of the same client: they are refused by their own count.
            if own + ahead >= s.max_queue_per_client:
                raise await self._full(
                    "MAX_QUEUE_PER_CLIENT", s.max_queue_per_client, own + ahead, client
                )
            yield turn
            self._added += 1
        finally:
            self._coming[client] -= 1
            if not self._coming[client]:
                del self._coming[client]

    async def _count(self) -> int:
        self._added = 0
        return await self._backlog.open(self._settings.max_queue)

    async def _full(self, setting: str, limit: int, measured: int, client: str | None) -> QueueFull:
        ended = await self._backlog.ended(_MEASURED, client)
        wait = math.ceil((measured - limit + 1) * _MEASURED / ended) if ended else _NO_RATE
        wait = min(max(wait, 1), _LONGEST)
        whose = "" if client is None else " of yours"
        tasks, are = ("task", "is") if measured == 1 else ("tasks", "are")
        return QueueFull(
            f"{measured} {tasks}{whose} {are} waiting or in work; at most {limit} may ({setting}). "
            f"{ended} ended in the last minute: try again in {wait} s",
            setting=setting,
            limit=limit,
            measured=measured,
            retry_after=wait,
        )

    def spool(self) -> Spool:
        """Return a place for pictures on their way, in which NoRoom may be raised: see there."""
        return Spool(self._spools)

    async def room(self) -> None:
        """Return if there is room for pictures on the disks; asked often, it is looked at seldom.

        Raises:
            NoRoom: less than MIN_FREE_DISK is free here, or where MongoDB keeps its data.
        """
        least = self._settings.min_free_disk
        if not least:
            return
        try:
            place, free = await self._disk.get()
        except StoreUnavailable:
            return  # whoever needs the store says so
        if free < least:
            log.error("disk_full", place=place, free=free, limit=least)
            raise NoRoom(
                f"{free // 1_000_000} MB are free on the disk of {place}; {least // 1_000_000} MB "
                "must be before pictures are taken (MIN_FREE_DISK); nothing was accepted",
                setting="MIN_FREE_DISK",
                limit=least,
                measured=free,
                retry_after=_NO_RATE,
            )

    async def _free(self) -> tuple[str, int]:
        here = await asyncio.to_thread(shutil.disk_usage, tempfile.gettempdir())
        there = (await self._gauges.space()).disk
        places = [("the service", here.free)]
        if there is not None:
            places.append(("MongoDB", there[0]))
        return min(places, key=lambda place: place[1])
