"""The current state of workers and queue and their history, cached so that polling is cheap."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

from aiohttp import web

from models.errors import StoreUnavailable
from models.redis.queue import Queue
from models.store import Store
from models.store.tasks import queue_history
from models.tasks.serializers import iso
from service.dashboard.alerts import RECENT_SECONDS, Snapshot, find_alerts
from service.dashboard.schemas import HistoryBody, HistoryPointBody, QueueBody, WorkerBody
from service.dashboard.serializers import worker_document
from service.ttl_cache import TTLCache

_MAX_WORKERS = 200  # shown, the latest heartbeats first: a page that a browser still renders
_MAX_SILENCE_SECONDS = 3600  # of a worker that is shown
_MAX_CACHE_SECONDS = 60.0  # even the history of a week is loaded again after this
_MAX_HISTORY_CACHES = 16  # histories of different lengths in the cache


class Overview:
    """Workers, queue, alerts and history for the dashboard; one per service process."""

    def __init__(self, store: Store, queue: Queue) -> None:
        self._store = store
        self._queue = queue
        self._worker_cache = TTLCache(self._load_workers)
        self._queue_cache = TTLCache(self._load_queue)
        self._history_caches: dict[int, TTLCache[HistoryBody]] = {}

    async def workers(self) -> list[WorkerBody]:
        return await self._worker_cache.get()

    async def queue_state(self) -> QueueBody:
        return await self._queue_cache.get()

    async def history(self, minutes: int) -> HistoryBody:
        """Return the history of the last ``minutes``, reloaded when a point may have changed."""
        cache = self._history_caches.pop(minutes, None)
        if cache is None:
            width = queue_history.point_seconds(minutes * 60)
            cache = TTLCache(
                partial(self._load_history, minutes), min(width, _MAX_CACHE_SECONDS) / 2
            )
        self._history_caches[minutes] = cache  # least recently used first
        while len(self._history_caches) > _MAX_HISTORY_CACHES:
            del self._history_caches[next(iter(self._history_caches))]
        return await cache.get()

    async def _load_history(self, minutes: int) -> HistoryBody:
        width, points = await self._store.queue_history.series(minutes * 60)
        return {
            "minutes": minutes,
            "point_seconds": width,
            "points": [
                cast("HistoryPointBody", {**each, "at": iso(each["at"])}) for each in points
            ],
        }

    def invalidate(self) -> None:
        """Load workers and queue again at the next request, since an action changed them."""
        self._worker_cache = TTLCache(self._load_workers)
        self._queue_cache = TTLCache(self._load_queue)

    async def _load_workers(self) -> list[WorkerBody]:
        entries = await self._store.workers.entries(_MAX_SILENCE_SECONDS, _MAX_WORKERS)
        return [worker_document(entry) for entry in entries]

    async def _load_queue(self) -> QueueBody:
        store = self._store
        stats, workers, recent, waiting_before, depth = await asyncio.gather(
            store.task_stats.queue(),
            self._worker_cache.get(),
            store.task_search.outcomes(RECENT_SECONDS),
            store.queue_history.waiting_before(300),
            self._redis_depth(),
        )
        snapshot = Snapshot(stats, workers, recent, waiting_before, redis_up=depth is not None)
        return {
            "alarms": [alert.document() for alert in find_alerts(snapshot)],
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
