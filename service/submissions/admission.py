"""Admission of new tasks: queue limits (MAX_QUEUE, MAX_QUEUE_PER_CLIENT) and fair queue order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from async_lru import alru_cache

from models.errors import QueueFull
from models.settings.limits import LimitSettings
from models.slots import Slots
from models.store import Store

_COUNT_SECONDS = 1.0  # for which a count of all open tasks is used
_RATE_SECONDS = 60.0  # over which the rate of ended tasks is measured
_MAX_RETRY_SECONDS = 600
_DEFAULT_RETRY_SECONDS = 30  # where no task ended lately


class Admission:
    """Admits new tasks and gives each its place in the fair queue.

    MAX_QUEUE limits the open tasks in all, MAX_QUEUE_PER_CLIENT those of each client.
    """

    def __init__(self, settings: LimitSettings, store: Store) -> None:
        self._max_open = settings.max_queue
        self._max_open_per_client = settings.max_queue_per_client
        self._fair_queue = store.fair_queue
        self._open = alru_cache(ttl=_COUNT_SECONDS)(self._count_open)
        self._added = 0  # by this service since the last count
        self._pending = Slots(("MAX_QUEUE_PER_CLIENT", settings.max_queue_per_client))

    @asynccontextmanager
    async def admit(self, client: str) -> AsyncIterator[int]:
        """Yield the queue order of a new task of ``client``; create the task within the block.

        Tasks of other clients in creation are not counted: their own limit refuses them.

        Raises:
            QueueFull: MAX_QUEUE tasks are open, or MAX_QUEUE_PER_CLIENT of this client.
        """
        pending = self._pending[client]
        with self._pending.hold(client):  # tasks in creation
            all_open, own, order = await asyncio.gather(
                self._open(),
                self._fair_queue.count_open(self._max_open_per_client, client),
                self._fair_queue.next_turn(client, pending),
            )
            total = all_open + self._added
            own += pending
            if total >= self._max_open:
                raise await self._full("MAX_QUEUE", self._max_open, total, None)
            if own >= self._max_open_per_client:
                limit = self._max_open_per_client
                raise await self._full("MAX_QUEUE_PER_CLIENT", limit, own, client)
            yield order
            self._added += 1

    async def _count_open(self) -> int:
        self._added = 0
        return await self._fair_queue.count_open(self._max_open)

    async def _full(self, setting: str, limit: int, measured: int, client: str | None) -> QueueFull:
        ended = await self._fair_queue.count_ended(_RATE_SECONDS, client)
        excess = measured - limit + 1
        wait = math.ceil(excess * _RATE_SECONDS / ended) if ended else _DEFAULT_RETRY_SECONDS
        wait = min(max(wait, 1), _MAX_RETRY_SECONDS)
        whose = "" if client is None else " of yours"
        tasks, are = ("task", "is") if measured == 1 else ("tasks", "are")
        return QueueFull(
            f"{measured} {tasks}{whose} {are} waiting or in work; at most {limit} may ({setting}). "
            f"{ended} ended in the last minute: try again in {wait} s",
            setting=setting,
            limit=limit,
            measured=measured,
            retry_after=wait,
        )
