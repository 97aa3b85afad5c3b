"""How it is now: asked of the stores once a second, however many look."""

from __future__ import annotations

import asyncio

from aiohttp import web

from models.errors import StoreUnavailable
from models.queue import Queue
from models.settings import Settings
from models.store import Store
from service.dashboard.alarms import Scene, alarms
from service.dashboard.bodies import QueueBody, WorkerBody
from service.dashboard.documents import worker_document
from service.glance import Glance


class Scenes:
    """The workers, the queue and what is wrong; one for each service."""

    def __init__(self, settings: Settings, store: Store, queue: Queue) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._workers = Glance(self._ask_workers)
        self._now = Glance(self._ask_now)

    async def workers(self) -> list[WorkerBody]:
        return await self._workers.get()

    async def now(self) -> QueueBody:
        return await self._now.get()

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
