"""Queue snapshots for all event streams: one read for all, throttled, only after changes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from models.store import Store
from models.tasks.queue_position import QueueSnapshot
from models.tasks.task import Status, Task
from service.ttl_cache import TTLCache

MIN_INTERVAL_SECONDS = 0.25  # between two events of a stream: people see no faster progress
_MAX_TIME_SHARE = 0.1  # of the time may go into reading the queue
_FRESH_SECONDS = 5.0  # snapshot lifetime when no queue position is shown


def any_queued(tasks: Mapping[str, Task]) -> bool:
    """Tell whether one of the tasks is queued."""
    return any(task.status is Status.CREATED for task in tasks.values())


class QueueWatch:
    """Cached queue snapshot; ``changed``: the queue changed since it was read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache = TTLCache(self._read_queue)
        self._read_at = self._next_read_at = -math.inf
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
        return await self._cache.get(lambda wanted: self._due(wanted, if_changed, tasks or {}))

    def _due(self, wanted: float, if_changed: bool, tasks: Mapping[str, Task]) -> bool:
        if self._read_at >= wanted:
            return False  # read meanwhile for another stream
        if if_changed and self.changed:
            return wanted >= self._next_read_at
        waiting = {task.id for task in tasks.values() if task.status is Status.CREATED}
        if not self._cache.value.positions.keys() >= waiting:
            return wanted >= self._next_read_at
        return wanted - self._read_at > _FRESH_SECONDS

    async def _read_queue(self) -> QueueSnapshot:
        loop = asyncio.get_running_loop()
        self.changed, before, began = False, self.changed, loop.time()
        try:
            snapshot = await self._store.fair_queue.snapshot()
        except BaseException:
            self.changed = before
            raise
        self._read_at, spent = began, loop.time() - began
        self._next_read_at = began + max(MIN_INTERVAL_SECONDS, spent / _MAX_TIME_SHARE)
        return snapshot
