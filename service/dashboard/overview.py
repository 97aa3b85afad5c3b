"""The state of workers, queue and stores, and their history, cached so that polling is cheap."""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from aiohttp import web
from async_lru import alru_cache

from models.errors import StoreUnavailable
from models.free_space import FreeSpace
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.store.tasks.queue_history import INTERVAL_SECONDS
from models.tasks.needs import Abilities, differences
from models.tasks.serializers import iso
from service.dashboard.activity import ActivityBody, activity_body, name_keys
from service.dashboard.alerts import RECENT_SECONDS, Snapshot, find_alerts
from service.dashboard.health import HealthProbe
from service.dashboard.schemas import HistoryBody, HistoryPointBody, QueueBody, WorkerBody
from service.dashboard.serializers import worker_document

_CACHE_SECONDS = 1.0
_HEALTH_CACHE_SECONDS = 2.0  # disks and memory change slower
_ACTIVITY_CACHE_SECONDS = 5.0  # it is written every ten
_MAX_WORKERS = 200  # shown, the latest heartbeats first: a page that a browser still renders
_MAX_SILENCE_SECONDS = 3600  # of a worker that is shown
_LOCK_NAME = "history"
_MAX_HISTORIES = 16  # of different lengths in the cache


class Overview:
    """Workers, queue, alerts, health and history for the dashboard; one per service process."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        queue: Queue,
        free_space: FreeSpace,
        abilities: Abilities,
    ) -> None:
        """``abilities``: those that a worker with the settings of this service would have."""
        self._store = store
        self._abilities = abilities
        self._queue = queue
        self._holder = secrets.token_hex(8)
        kept, timeout = settings.uploads.min_free_disk_bytes, settings.stores.store_timeout
        probe = HealthProbe(kept, timeout, store, queue, free_space)
        self.health = alru_cache(ttl=_HEALTH_CACHE_SECONDS)(probe.ask)
        self.workers = alru_cache(ttl=_CACHE_SECONDS)(self._load_workers)
        self.queue_state = alru_cache(ttl=_CACHE_SECONDS)(self._load_queue)
        # A new point comes once in an interval.
        half_interval = INTERVAL_SECONDS / 2
        self.history = alru_cache(_MAX_HISTORIES, ttl=half_interval)(self._load_history)
        activity_cache = alru_cache(_MAX_HISTORIES, ttl=_ACTIVITY_CACHE_SECONDS)
        self.activity = activity_cache(self._load_activity)

    def invalidate(self) -> None:
        """Load workers and queue again at the next request, since an action changed them."""
        self.workers.cache_clear()
        self.queue_state.cache_clear()

    async def _load_history(self, minutes: int) -> HistoryBody:
        """Return the history of the last ``minutes``."""
        width, points = await self._store.queue_history.series(minutes * 60)
        return {
            "minutes": minutes,
            "point_seconds": width,
            "points": [
                cast("HistoryPointBody", {**each, "at": iso(each["at"])}) for each in points
            ],
        }

    async def _load_activity(self, minutes: int) -> ActivityBody:
        """Return what happened in the last ``minutes``, rounded up to whole minutes or hours."""
        since, span, documents = await self._store.activity.since(minutes * 60)
        # In a thread: a busy week has many counts.
        body = await asyncio.to_thread(activity_body, minutes, since, span, documents)
        names = await self._store.api_keys.names([each["key"] for each in body["keys"]])
        name_keys(body["keys"], names)
        return body

    async def record(self) -> None:
        """Record queue length, throughput and alerts, unless another service has just done so.

        The service does it, not a worker, so that the history also shows when no worker is alive.
        """
        store = self._store
        if await store.periodic_lock.acquire(_LOCK_NAME, self._holder, INTERVAL_SECONDS):
            work = await store.task_stats.queue()
            await store.queue_history.record(work, await store.workers.count_alive())
            queue = await self._queue_body(await self._load_workers())
            await store.alert_log.record([alert["code"] for alert in queue["alarms"]])

    async def _load_workers(self) -> list[WorkerBody]:
        entries = await self._store.workers.entries(_MAX_SILENCE_SECONDS, _MAX_WORKERS)
        return [worker_document(entry) for entry in entries]

    async def _load_queue(self) -> QueueBody:
        return await self._queue_body(await self.workers())

    async def _queue_body(self, workers: list[WorkerBody]) -> QueueBody:
        store = self._store
        stats, health, recent, waiting_before, depth, since = await asyncio.gather(
            store.task_stats.queue(),
            self.health(),
            store.task_search.outcomes(RECENT_SECONDS),
            store.queue_history.waiting_before(300),
            self._redis_depth(),
            store.alert_log.since(),
        )
        abilities = await store.workers.abilities()
        snapshot = Snapshot(
            stats,
            workers,
            recent,
            waiting_before,
            health,
            differences([self._abilities, *(abilities or ())]),
        )
        return {
            "alarms": [
                {**alert, "since": iso(since.get(alert["code"]))} for alert in find_alerts(snapshot)
            ],
            "waiting": stats.waiting,
            "oldest_seconds": round(stats.oldest_seconds),
            "running": stats.running,
            "known": stats.total,
            "rings": depth,
            "workers": {
                "alive": sum(each["state"] != "silent" for each in workers),
                "running": sum(each["state"] == "running" for each in workers),
            },
            "lately": {
                "seconds": RECENT_SECONDS,
                "succeeded": recent.succeeded,
                "failed": recent.failed,
                "cancelled": recent.cancelled,
                "codes": recent.codes,
            },
        }

    async def _redis_depth(self) -> int | None:
        """Return how many jobs wait in Redis; None if it does not answer."""
        try:
            return await self._queue.depth()
        except StoreUnavailable:
            return None


OVERVIEW = web.AppKey("overview", Overview)
