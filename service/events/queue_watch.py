"""Queue snapshots for event streams and responses: one read for all, throttled."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from aiohttp import web

from models.errors import StoreUnavailable
from models.redis.queue import Queue
from models.store import Store
from models.tasks.queue_position import QueueSnapshot
from models.tasks.task import Status, Task

MIN_INTERVAL_SECONDS = 0.25  # between two events of a stream: people see no faster progress
_MIN_READ_SECONDS = 0.05  # between two reads: of ten submissions at once each sees those before
_PATIENCE_SECONDS = 0.1  # that a new stream waits for a read with its task
_LATE_SECONDS = 1.0  # then a response goes with the last read: one of a long queue may take longer
_MAX_TIME_SHARE = 0.1  # of the time may go into reading the queue
_FRESH_SECONDS = 5.0  # snapshot lifetime when no queue position is shown


def queued_ids(tasks: Mapping[str, Task]) -> set[str]:
    """Return the ids of the tasks that are queued."""
    return {task.id for task in tasks.values() if task.status is Status.CREATED}


class QueueWatch:
    """The latest queue snapshot; ``changed``: the queue changed since it was read."""

    def __init__(self, store: Store, queue: Queue | None = None) -> None:
        """``queue``: knows how many tasks wait behind those whose positions are read."""
        self._store = store
        self._queue = queue
        self._reading: asyncio.Task[QueueSnapshot] | None = None
        self._snapshot: QueueSnapshot | None = None
        self._next_read_at = self._stale_at = -math.inf
        self.changed = True

    async def snapshot(
        self, *, if_changed: bool = False, tasks: Mapping[str, Task] | None = None
    ) -> QueueSnapshot:
        """Return a current or recent queue snapshot.

        ``if_changed``: read again after a change. ``tasks``: tasks whose positions it must contain;
        it waits a moment for them. Neither reads more often than the throttle allows.

        Raises:
            StoreUnavailable: MongoDB is unavailable.
        """
        last, now = self._snapshot, asyncio.get_running_loop().time()
        known = last is not None and last.covers((tasks or {}).values())
        if not known and self._reading is not None:
            last = await self._read()  # it began before: a task may be younger
            now = asyncio.get_running_loop().time()
        if last is not None and not known and now < self._next_read_at:
            await asyncio.sleep(min(self._next_read_at - now, _PATIENCE_SECONDS))
            last, now = self._snapshot, asyncio.get_running_loop().time()
        wanted = not known or (if_changed and self.changed)
        if last is None or now >= (self._next_read_at if wanted else self._stale_at):
            last = self._snapshot = await self._read()
        return last

    async def for_response(self, tasks: Iterable[Task]) -> QueueSnapshot | None:
        """Return what a response says the ETAs of ``tasks`` by; None if it needs none, or is late.

        While a task waits, it is read as often as the throttle allows: without open streams no
        change of the queue is heard of. Of many submissions at once each waits a moment for a read
        that has its task, and so those before it.
        """
        found = {task.id: task for task in tasks if not task.ended}
        if not found:
            return None
        waiting = bool(queued_ids(found))
        self.changed |= waiting
        try:
            async with asyncio.timeout(_LATE_SECONDS):
                return await self.snapshot(if_changed=waiting, tasks=found)
        except TimeoutError:
            return self._snapshot
        except StoreUnavailable:  # the task is accepted, or was read: that must be said
            return None

    async def _read(self) -> QueueSnapshot:
        """Read the queue; concurrent callers share one read."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_queue())
            self._reading.add_done_callback(self._forget_read)
        return await asyncio.shield(self._reading)

    def _forget_read(self, read: asyncio.Task[QueueSnapshot]) -> None:
        self._reading = None
        if not read.cancelled():
            read.exception()  # seen, even if all who asked have gone

    async def _read_queue(self) -> QueueSnapshot:
        loop = asyncio.get_running_loop()
        self.changed, before, began = False, self.changed, loop.time()
        try:
            prices = await self._store.measured_tasks.prices()
            snapshot = await self._store.fair_queue.snapshot(prices)
            if snapshot.full:
                snapshot = replace(snapshot, waiting=await self._depth())
        except BaseException:
            self.changed = before
            raise
        spent = loop.time() - began
        self._next_read_at = began + max(_MIN_READ_SECONDS, spent / _MAX_TIME_SHARE)
        self._stale_at = began + _FRESH_SECONDS
        return snapshot

    async def _depth(self) -> int:
        try:
            return await self._queue.depth() if self._queue else 0
        except StoreUnavailable:
            return 0


QUEUE_WATCH = web.AppKey("queue_watch", QueueWatch)
