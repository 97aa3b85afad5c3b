"""Who waits for which task to end: one change stream wakes any number of requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

import structlog

from models.errors import StoreUnavailable
from models.store import Store
from models.task import Task

log = structlog.get_logger()

_PAUSE = 0.5  # seconds before a broken stream is opened again


class Endings:
    """Wakes those who wait for a task when it ends."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._closing = False

    async def watch(self) -> None:
        """Follow the ledger until cancelled, through any number of breaks."""
        while True:
            try:
                async with self._store.tasks.endings() as endings:
                    self._wake_all()  # what ended while nobody watched, they look up themselves
                    async for task_id in endings:
                        for event in self._waiting.get(task_id, ()):
                            event.set()
            except StoreUnavailable as error:
                log.warning("endings_unwatched", **error.document())
            except Exception:
                log.exception("endings_failed")
            await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """Let everybody who waits answer now: the service is being stopped."""
        self._closing = True
        self._wake_all()

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def wait(self, task_id: str, seconds: float) -> Task | None:
        """Return the task when it has ended or ``seconds`` are over; None if there is no such task.

        Raises:
            StoreUnavailable: the ledger does not answer.
        """
        with self._listening(task_id) as event:
            task = await self._store.tasks.get(task_id)
            if task is None or task.ended or seconds <= 0:
                return task
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not task.ended and not self._closing:
                        await event.wait()
                        event.clear()
                        task = await self._store.tasks.get(task_id) or task
                    return task
            return await self._store.tasks.get(task_id)  # its progress now, not as it was before

    @contextlib.contextmanager
    def _listening(self, task_id: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting[task_id].add(event)
        try:
            yield event
        finally:
            self._waiting[task_id].discard(event)
            if not self._waiting[task_id]:
                del self._waiting[task_id]
