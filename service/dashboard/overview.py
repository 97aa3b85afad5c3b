"""The current state of workers and queue and their history, cached so that polling is cheap."""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web
from async_lru import alru_cache

from models.errors import StoreUnavailable
from models.redis.queue import Queue
from models.settings.uploads import UploadSettings
from models.store import Store
from models.store.tasks import queue_history
from models.tasks.serializers import iso
from service.dashboard.alerts import RECENT_SECONDS, Snapshot, find_alerts
from service.dashboard.schemas import HistoryBody, HistoryPointBody, QueueBody, WorkerBody
from service.dashboard.serializers import worker_document

_CACHE_SECONDS = 1.0
_MAX_WORKERS = 200  # shown, the latest heartbeats first: a page that a browser still renders
_MAX_SILENCE_SECONDS = 3600  # of a worker that is shown
_MAX_HISTORIES = 16  # of different lengths in the cache


class Overview:
    """Workers, queue, alerts and history for the dashboard; one per service process."""

    def __init__(self, settings: UploadSettings, store: Store, queue: Queue) -> None:
        self._min_free_bytes = settings.min_free_disk_bytes
        self._store = store
        self._queue = queue
        self.workers = alru_cache(ttl=_CACHE_SECONDS)(self._load_workers)
        self.queue_state = alru_cache(ttl=_CACHE_SECONDS)(self._load_queue)
        # A new point comes once in an interval.
        half_interval = queue_history.INTERVAL_SECONDS / 2
        self.history = alru_cache(_MAX_HISTORIES, ttl=half_interval)(self._load_history)

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

    async def _load_workers(self) -> list[WorkerBody]:
        entries = await self._store.workers.entries(_MAX_SILENCE_SECONDS, _MAX_WORKERS)
        return [worker_document(entry) for entry in entries]

    async def _load_queue(self) -> QueueBody:
        store = self._store
        stats, storage, workers, recent, waiting_before, depth = await asyncio.gather(
            store.task_stats.queue(),
            store.task_stats.storage(),
            self.workers(),
            store.task_search.outcomes(RECENT_SECONDS),
            store.queue_history.waiting_before(300),
            self._redis_depth(),
        )
        snapshot = Snapshot(
            stats,
            workers,
            recent,
            waiting_before,
            redis_up=depth is not None,
            free_bytes=storage.disk[0] if storage.disk else None,
            min_free_bytes=self._min_free_bytes,
        )
        return {
            "alarms": find_alerts(snapshot),
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
