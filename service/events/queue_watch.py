"""Queue snapshots for all event streams: one read for all, throttled, only after changes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from async_lru import alru_cache

from models.store import Store
from models.tasks.queue_position import QueueSnapshot
from models.tasks.task import Status, Task

MIN_INTERVAL_SECONDS = 0.25  # between two events of a stream: people see no faster progress
_MAX_TIME_SHARE = 0.1  # of the time may go into reading the queue
_FRESH_SECONDS = 5.0  # snapshot lifetime when no queue position is shown


def queued_ids(tasks: Mapping[str, Task]) -> set[str]:
    """Return the ids of the tasks that are queued."""
    return {task.id for task in tasks.values() if task.status is Status.CREATED}


class QueueWatch:
    """The latest queue snapshot; ``changed``: the queue changed since it was read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read = alru_cache(ttl=0)(self._read_queue)  # concurrent callers share one read
        self._snapshot: QueueSnapshot | None = None
        self._next_read_at = self._stale_at = -math.inf
        self.changed = True

    async def snapshot(
        self, *, if_changed: bool = False, tasks: Mapping[str, Task] | None = None
    ) -> QueueSnapshot:
        """Return a current or recent queue snapshot.

        ``if_changed``: read again after a change. ``tasks``: tasks whose positions it must contain.
        Neither reads more often than the throttle allows.

        Raises:
            StoreUnavailable: MongoDB is unavailable.
        """
        last, now = self._snapshot, asyncio.get_running_loop().time()
        known = last is not None and last.positions.keys() >= queued_ids(tasks or {})
        wanted = not known or (if_changed and self.changed)
        if last is None or now >= (self._next_read_at if wanted else self._stale_at):
            last = self._snapshot = await self._read()
        return last

    async def _read_queue(self) -> QueueSnapshot:
        loop = asyncio.get_running_loop()
        self.changed, before, began = False, self.changed, loop.time()
        try:
            snapshot = await self._store.fair_queue.snapshot()
        except BaseException:
            self.changed = before
            raise
        spent = loop.time() - began
        self._next_read_at = began + max(MIN_INTERVAL_SECONDS, spent / _MAX_TIME_SHARE)
        self._stale_at = began + _FRESH_SECONDS
        return snapshot
