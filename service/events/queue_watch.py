"""The queue as all who listen see it: one look for all of them, and only when it moved."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

from models.settings import Settings
from models.store import Store
from models.tasks.queue_position import Outlook
from models.tasks.task import Status, Task
from service.ttl_cache import Glance

_SHARE = 0.1  # of the time may go into looks at the queue, however long one takes
_FRESH = 5.0  # seconds the figures are good for where nobody is told a place


def waits(tasks: Mapping[str, Task]) -> bool:
    """Tell whether one of the tasks has a place in the queue."""
    return any(task.status is Status.CREATED for task in tasks.values())


class Lookout:
    """The last look at the queue; ``moved``: it is not that any more."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self._pause = settings.events_pause
        self._seen = settings.worker_seen_seconds
        self._glance = Glance(self._look)
        self._began = self._rest_until = -math.inf
        self.moved = True

    async def see(self, *, moved: bool = False, of: Mapping[str, Task] | None = None) -> Outlook:
        """Return the queue as it is, or as it was lately.

        ``moved``: it matters whether it moved. ``of``: tasks whose places must be in it. Neither
        has it looked at more often than the pauses say.

        Raises:
            StoreUnavailable: the ledger does not answer.
        """
        return await self._glance.get(lambda wanted: self._due(wanted, moved, of or {}))

    def _due(self, wanted: float, moved: bool, of: Mapping[str, Task]) -> bool:
        if self._began >= wanted:
            return False  # somebody had it looked at meanwhile
        if moved and self.moved:
            return wanted >= self._rest_until
        waiting = {task.id for task in of.values() if task.status is Status.CREATED}
        if not self._glance.value.places.keys() >= waiting:
            return wanted >= self._rest_until
        return wanted - self._began > _FRESH

    async def _look(self) -> Outlook:
        loop = asyncio.get_running_loop()
        self.moved, before, began = False, self.moved, loop.time()
        try:
            outlook = await self._store.backlog.outlook(self._seen)
        except BaseException:
            self.moved = before
            raise
        self._began, spent = began, loop.time() - began
        self._rest_until = began + max(self._pause, spent / _SHARE)
        return outlook
