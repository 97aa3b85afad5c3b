"""Admission of new tasks: limits of the queue and of predicted result bytes, fair queue order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from async_lru import alru_cache

from models.errors import QueueFull
from models.free_space import FreeSpace
from models.images.inspect import OutputFormat
from models.result_bytes import check_result_bytes, predicted_bytes, total_predicted_bytes
from models.settings import Settings
from models.slots import Slots
from models.store import Store
from models.store.tasks.fair_queue import OpenTasks

_COUNT_SECONDS = 1.0  # for which a count of all open tasks is used
_ROOM_SHARE = 2
"""A picture's results may take half of the room that is left: the last of it is for small ones, so
that clients who fill the disk with large ones do not keep out all others."""
_RATE_SECONDS = 60.0  # over which the rate of ended tasks is measured
_MAX_RETRY_SECONDS = 600
_DEFAULT_RETRY_SECONDS = 30  # where no task ended lately


class Admission:
    """Admits new tasks and gives each its place in the fair queue.

    MAX_QUEUE limits the open tasks in all, MAX_QUEUE_PER_CLIENT those of each client, where a long
    one counts as several. The bytes that their results will probably take are limited by the free
    disk space, and by MAX_QUEUE_BYTES_PER_CLIENT.
    """

    def __init__(self, settings: Settings, store: Store, free_space: FreeSpace) -> None:
        self._limits = settings.limits
        self._max_result_bytes = settings.uploads.max_result_bytes
        self._fair_queue = store.fair_queue
        self._free_space = free_space
        self._open = alru_cache(ttl=_COUNT_SECONDS)(self._load_open)
        self._added, self._added_bytes = 0, 0  # by this service since the last count
        limits = self._limits  # tasks in creation, and their bytes
        self._pending = Slots(("MAX_QUEUE_PER_CLIENT", limits.max_queue_per_client))
        self._pending_bytes = Slots(
            ("MAX_QUEUE_BYTES_PER_CLIENT", limits.max_queue_bytes_per_client)
        )

    @asynccontextmanager
    async def admit(
        self, client: str, output: OutputFormat, most_bytes: int, turns: int
    ) -> AsyncIterator[int]:
        """Yield the queue order of a new task of ``client``; create the task within the block.

        ``most_bytes``: that its results cannot exceed. ``turns``: see ``Work``. Tasks of other
        clients in creation are not counted: their own limit refuses them.

        Raises:
            QueueFull: a limit of open tasks or of their results' bytes is reached.
            TooLarge: the results would exceed MAX_RESULT_BYTES.
            InsufficientResources: they would not fit on the disk.
        """
        shares = await self._free_space.result_shares()
        own_bytes = predicted_bytes(most_bytes, output, shares)
        check_result_bytes(own_bytes, self._max_result_bytes)
        pending, pending_bytes = self._pending[client], self._pending_bytes[client]
        with self._pending.hold(client, turns), self._pending_bytes.hold(client, own_bytes):
            all_open, own = await asyncio.gather(self._open(), self._fair_queue.of_client(client))
            limits = self._limits
            for setting, limit, measured, whose in (
                ("MAX_QUEUE", limits.max_queue, all_open.count + self._added, None),
                ("MAX_QUEUE_PER_CLIENT", limits.max_queue_per_client, own.turns + pending, client),
            ):
                if measured >= limit:
                    raise await self._full(setting, limit, measured, whose)
            waiting = total_predicted_bytes(own.most_bytes, shares) + pending_bytes
            if waiting + own_bytes > limits.max_queue_bytes_per_client:
                raise self._too_many_bytes(waiting, own_bytes)
            others = total_predicted_bytes(all_open.most_bytes, shares) + self._added_bytes
            await self._free_space.check(own_bytes, others, _ROOM_SHARE)
            yield max(own.served_turn, own.next_turn) + pending
            self._added += 1
            self._added_bytes += own_bytes

    async def _load_open(self) -> OpenTasks:
        self._added, self._added_bytes = 0, 0
        return await self._fair_queue.open_tasks()

    async def _full(self, setting: str, limit: int, measured: int, client: str | None) -> QueueFull:
        ended = await self._fair_queue.count_ended(_RATE_SECONDS, client)
        excess = measured - limit + 1
        wait = math.ceil(excess * _RATE_SECONDS / ended) if ended else _DEFAULT_RETRY_SECONDS
        wait = min(max(wait, 1), _MAX_RETRY_SECONDS)
        whose = "" if client is None else " of yours"
        tasks, are = ("task", "is") if measured == 1 else ("tasks", "are")
        longer = "" if client is None else "; each ten seconds of predicted work count as one more"
        return QueueFull(
            f"{measured} {tasks}{whose} {are} waiting or in work; at most {limit} may "
            f"({setting}{longer}). "
            f"{ended} ended in the last minute: try again in {wait} s",
            setting=setting,
            limit=limit,
            measured=measured,
            retry_after=wait,
        )

    def _too_many_bytes(self, waiting: int, own_bytes: int) -> QueueFull:
        limit = self._limits.max_queue_bytes_per_client
        return QueueFull(
            f"the results of your tasks that wait or run will take about {waiting} bytes, and this "
            f"one's {own_bytes}; at most {limit} may be taken (MAX_QUEUE_BYTES_PER_CLIENT): try "
            f"again when some have ended, or send smaller pictures",
            setting="MAX_QUEUE_BYTES_PER_CLIENT",
            limit=limit,
            measured=waiting + own_bytes,
            retry_after=_DEFAULT_RETRY_SECONDS,
        )
