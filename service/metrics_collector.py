"""MetricsCollector: the metrics of this service, the stores and the workers for /metrics."""

from __future__ import annotations

import asyncio
import shutil
import tempfile

import structlog
from aiohttp import web
from async_lru import alru_cache

from models.errors import StoreUnavailable
from models.metrics import snapshot
from models.metrics.definitions import (
    DISK_FREE,
    DISK_SIZE,
    LEASES_EXPIRED,
    LIVE_WORKERS,
    MONGODB_DATA_BYTES,
    OLDEST_DUE_WEBHOOK,
    OLDEST_EXPIRED_LEASE,
    OLDEST_WAITING,
    QUEUED_JOBS,
    SNAPSHOT_AGE,
    SNAPSHOT_METRICS_REJECTED,
    STORE_UP,
    TASKS_RUNNING,
    TASKS_STORED,
    TASKS_WAITING,
    WEBHOOKS_DUE,
)
from models.metrics.instruments import Instruments
from models.metrics.metric import MetricKind
from models.metrics.snapshot import MetricValues, ProcessMetrics, render
from models.redis.queue import Queue
from models.settings.stores import StoreSettings
from models.store import Store

log = structlog.get_logger()

_RETENTION_SECONDS = 300  # counters of a stopped worker: longer than any scrape interval
_MAX_WORKERS = 500  # of one scrape, the latest heartbeats first: bounds the response


class MetricsCollector:
    """Collects metrics; concurrent scrapes share one query to each store.

    So a hostile client cannot make scrapes pile up in a store.
    """

    def __init__(
        self, settings: StoreSettings, store: Store, queue: Queue, instruments: Instruments
    ) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._instruments = instruments
        self._reads = {
            "mongodb": alru_cache(ttl=0)(self._mongodb),
            "redis": alru_cache(ttl=0)(self._redis),
        }

    async def exposition(self) -> bytes:
        """Return what the stores give within STORE_TIMEOUT, in Prometheus' text format."""
        said = await asyncio.gather(*map(self._read, self._reads))
        up: MetricValues = {STORE_UP: {}}
        for name, answer in zip(self._reads, said, strict=True):
            up[STORE_UP][name,] = 0 if answer is None else 1
        disk = shutil.disk_usage(tempfile.gettempdir())
        self._instruments.set(DISK_FREE, disk.free, "spool")
        self._instruments.set(DISK_SIZE, disk.total, "spool")
        parts = [
            ProcessMetrics("", snapshot.collect(self._instruments)),
            ProcessMetrics("", up),
            *(part for parts in said if parts for part in parts),
        ]
        # In a thread: the text of many workers takes a while.
        return await asyncio.to_thread(render, parts)

    async def _read(self, name: str) -> list[ProcessMetrics] | None:
        """Return the metrics of a store; None if it does not give them within STORE_TIMEOUT."""
        try:
            return await asyncio.wait_for(self._reads[name](), self._settings.store_timeout)
        except (StoreUnavailable, TimeoutError):
            return None
        except Exception:
            log.exception("metrics_read_failed", store=name)
            return None

    async def _redis(self) -> list[ProcessMetrics]:
        return [ProcessMetrics("", {QUEUED_JOBS: {(): float(await self._queue.depth())}})]

    async def _mongodb(self) -> list[ProcessMetrics]:
        store = self._store
        work, space, late, alive, snapshots = await asyncio.gather(
            store.task_stats.queue(),
            store.task_stats.storage(),
            store.webhooks.lateness(),
            store.workers.names(),
            store.metric_snapshots.recent(_RETENTION_SECONDS, _MAX_WORKERS),
        )
        ledger: MetricValues = {
            TASKS_WAITING: {(): work.waiting},
            OLDEST_WAITING: {(): work.oldest_seconds},
            TASKS_RUNNING: {(): work.running},
            LEASES_EXPIRED: {(): work.expired_leases},
            OLDEST_EXPIRED_LEASE: {(): work.longest_expired_seconds},
            WEBHOOKS_DUE: {(): late[0]},
            OLDEST_DUE_WEBHOOK: {(): late[1]},
            TASKS_STORED: {(): work.total},
            MONGODB_DATA_BYTES: {(): space.data_bytes},
            LIVE_WORKERS: {(): len(alive)},
        }
        parts = [ProcessMetrics("", ledger)]
        if space.disk is not None:
            free, size = space.disk
            disk: MetricValues = {DISK_FREE: {("mongodb",): free}, DISK_SIZE: {("mongodb",): size}}
            parts.append(ProcessMetrics("", disk))
        spoiled = 0
        for worker, age, packed in snapshots:
            shown, refused = snapshot.unpack(packed)
            spoiled += refused
            if worker in alive:
                shown[SNAPSHOT_AGE] = {(worker,): age}
            else:  # counters of a stopped worker stay a while, gauges do not
                shown = {m: series for m, series in shown.items() if m.kind is not MetricKind.GAUGE}
            parts.append(ProcessMetrics(worker, shown))
        ledger[SNAPSHOT_METRICS_REJECTED] = {(): spoiled}
        return parts


METRICS_COLLECTOR = web.AppKey("scrape", MetricsCollector)
