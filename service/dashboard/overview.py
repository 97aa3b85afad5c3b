"""How it is now: asked of the stores once a second, however many look."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

from aiohttp import web

from models.errors import StoreUnavailable
from models.redis.queue import Queue
from models.settings import Settings
from models.store import Store
from models.store.tasks.queue_history import POINTS
from models.tasks.serializers import iso
from service.dashboard.alerts import Scene, alarms
from service.dashboard.schemas import HistoryBody, PointBody, QueueBody, WorkerBody
from service.dashboard.serializers import worker_document
from service.ttl_cache import Glance

_LONGEST = 60.0  # seconds after which even a week's series is asked for again, at most
_MOST_SERIES = 16  # series of different lengths that are kept


class Scenes:
    """The workers, the queue and what is wrong; one for each service."""

    def __init__(self, settings: Settings, store: Store, queue: Queue) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._workers = Glance(self._ask_workers)
        self._now = Glance(self._ask_now)
        self._series: dict[int, Glance[HistoryBody]] = {}

    async def workers(self) -> list[WorkerBody]:
        return await self._workers.get()

    async def now(self) -> QueueBody:
        return await self._now.get()

    async def history(self, minutes: int) -> HistoryBody:
        """Return the series of the last ``minutes``, noted anew when a point may have changed."""
        glance = self._series.pop(minutes, None)
        if glance is None:
            width = max(self._settings.history_seconds, minutes * 60 / POINTS)
            glance = Glance(partial(self._ask_history, minutes), min(width, _LONGEST) / 2)
        self._series[minutes] = glance  # the one asked for last is dropped last
        while len(self._series) > _MOST_SERIES:
            del self._series[next(iter(self._series))]
        return await glance.get()

    async def _ask_history(self, minutes: int) -> HistoryBody:
        pause = self._settings.history_seconds
        width, points = await self._store.history.series(minutes * 60, pause)
        return {
            "minutes": minutes,
            "point_seconds": width,
            "points": [cast("PointBody", {**each, "at": iso(each["at"])}) for each in points],
        }

    def forget(self) -> None:
        """Ask anew at the next look: something was done."""
        self._workers = Glance(self._ask_workers)
        self._now = Glance(self._ask_now)

    async def _ask_workers(self) -> list[WorkerBody]:
        settings = self._settings
        seconds, most = settings.dashboard_silent_seconds, settings.dashboard_workers
        entries = await self._store.presence.entries(seconds, most)
        return [worker_document(entry, settings.worker_seen_seconds) for entry in entries]

    async def _ask_now(self) -> QueueBody:
        settings, store = self._settings, self._store
        work, workers, lately, before, rings = await asyncio.gather(
            store.gauges.work(),
            self._workers.get(),
            store.board.lately(settings.dashboard_lately_seconds),
            store.history.before(300, settings.history_seconds),
            self._rings(),
        )
        scene = Scene(work, workers, lately, before, redis=rings is not None)
        return {
            "alarms": [alarm.document() for alarm in alarms(scene, settings)],
            "waiting": work.waiting,
            "oldest_seconds": round(work.oldest),
            "running": work.running,
            "known": work.known,
            "rings": rings,
            "workers": {
                "alive": sum(each["state"] != "silent" for each in workers),
                "running": sum(each["state"] == "running" for each in workers),
            },
            "lately": {
                "seconds": settings.dashboard_lately_seconds,
                "succeeded": lately.succeeded,
                "failed": lately.failed,
                "cancelled": lately.cancelled,
                "codes": lately.codes,
            },
        }

    async def _rings(self) -> int | None:
        """Return how many rings wait in Redis; None if it does not answer."""
        try:
            return await self._queue.depth()
        except StoreUnavailable:
            return None


SCENES = web.AppKey("scenes", Scenes)
