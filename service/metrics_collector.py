"""The figures that /metrics shows: this service's, the stores', and those workers left there."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable

import structlog

from models.errors import StoreUnavailable
from models.metrics import snapshot
from models.metrics.definitions import (
    DATA_BYTES,
    DISK_FREE,
    DISK_SIZE,
    LEASES_OVER,
    LEDGER_TASKS,
    OLDEST,
    OVERDUE,
    REFUSED,
    RINGS,
    RUNNING,
    SNAPSHOT_AGE,
    STORE_UP,
    WAITING,
    WEBHOOKS_DUE,
    WEBHOOKS_LATE,
    WORKERS,
)
from models.metrics.instruments import Instruments
from models.metrics.metric import Kind
from models.metrics.prometheus_text import Part, exposition
from models.metrics.snapshot import Figures
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store

log = structlog.get_logger()

Read = Callable[[], Awaitable[list[Part]]]


class Scrape:
    """Answers scrapes; however many come at once, each store is asked by one of them.

    So neither a hostile client nor a store that hangs can make scrapes pile up in it.
    """

    def __init__(
        self, settings: Settings, store: Store, queue: Queue, instruments: Instruments
    ) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._instruments = instruments
        self._reading: dict[str, asyncio.Task[list[Part] | None]] = {}

    async def text(self) -> bytes:
        """Return what can be had within STORE_TIMEOUT, in the format of Prometheus."""
        reads = {"mongodb": self._mongodb, "redis": self._redis}
        said = await asyncio.gather(*(self._within(name, read) for name, read in reads.items()))
        up: Figures = {STORE_UP: {}}
        for name, answer in zip(reads, said, strict=True):
            up[STORE_UP][name,] = 0 if answer is None else 1
        disk = shutil.disk_usage(tempfile.gettempdir())
        self._instruments.set(DISK_FREE, disk.free, "spool")
        self._instruments.set(DISK_SIZE, disk.total, "spool")
        parts = [
            Part("", snapshot.read(self._instruments)),
            Part("", up),
            *(part for parts in said if parts for part in parts),
        ]
        # The text of many workers takes a while to write: others are answered meanwhile.
        return await asyncio.to_thread(exposition, parts)

    async def close(self) -> None:
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _within(self, name: str, read: Read) -> list[Part] | None:
        """Return what ``read`` gives; None if it does not within STORE_TIMEOUT."""
        task = self._reading.get(name)
        if task is None or task.done():
            task = self._reading[name] = asyncio.create_task(_quietly(name, read))
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._settings.store_timeout)
        except TimeoutError:
            return None

    async def _redis(self) -> list[Part]:
        return [Part("", {RINGS: {(): float(await self._queue.depth())}})]

    async def _mongodb(self) -> list[Part]:
        settings, store = self._settings, self._store
        work, space, late, alive, snapshots = await asyncio.gather(
            store.gauges.work(),
            store.gauges.space(),
            store.events.late(),
            store.presence.names(settings.worker_seen_seconds),
            store.snapshots.recent(settings.metrics_kept_seconds, settings.metrics_workers),
        )
        ledger: Figures = {
            WAITING: {(): work.waiting},
            OLDEST: {(): work.oldest},
            RUNNING: {(): work.running},
            LEASES_OVER: {(): work.over},
            OVERDUE: {(): work.overdue},
            WEBHOOKS_DUE: {(): late[0]},
            WEBHOOKS_LATE: {(): late[1]},
            LEDGER_TASKS: {(): work.known},
            DATA_BYTES: {(): space.data},
            WORKERS: {(): len(alive)},
        }
        parts = [Part("", ledger)]
        if space.disk is not None:
            free, size = space.disk
            disk: Figures = {DISK_FREE: {("mongodb",): free}, DISK_SIZE: {("mongodb",): size}}
            parts.append(Part("", disk))
        spoiled = 0
        for worker, age, packed in snapshots:
            shown, refused = snapshot.unpack(packed)
            spoiled += refused
            if worker in alive:
                shown[SNAPSHOT_AGE] = {(worker,): age}
            else:  # what counts on is shown a while longer, what is in hand is no more
                shown = {m: series for m, series in shown.items() if m.kind is not Kind.GAUGE}
            parts.append(Part(worker, shown))
        ledger[REFUSED] = {(): spoiled}
        return parts


async def _quietly(name: str, read: Read) -> list[Part] | None:
    try:
        return await read()
    except StoreUnavailable:
        return None
    except Exception:
        log.exception("figures_unread", store=name)
        return None
