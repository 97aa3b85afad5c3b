"""Who waits for which task to end: one change stream wakes any number of requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

from models.group import Group
from models.owner import EVERYTHING, View
from models.store import Store
from models.store.feed import Change
from models.task import ENDED, Task

T = TypeVar("T")


class _Waiter:
    """One request that waits until none of ``remaining`` is open any more.

    ``heard``: what ended since its last look began, which that look may have missed.
    """

    def __init__(self) -> None:
        self.remaining: set[str] = set()
        self.heard: set[str] = set()
        self.event = asyncio.Event()

    def ended(self, task_id: str) -> None:
        self.heard.add(task_id)
        self.remaining.discard(task_id)
        if not self.remaining:
            self.event.set()


class Endings:
    """Wakes those who wait for tasks when these end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, set[_Waiter]] = defaultdict(set)
        self._closing = False

    def heard(self, change: Change) -> None:
        """Wake who waits for the task, if it has ended."""
        if change.status in ENDED:
            for waiter in self._waiting.get(change.task_id, ()):
                waiter.ended(change.task_id)

    def missed(self) -> None:
        """Have everybody look up whether it ended while nobody watched."""
        self._wake_all()

    def close(self) -> None:
        """Let everybody who waits answer now: the service is being stopped."""
        self._closing = True
        self._wake_all()

    def _wake_all(self) -> None:
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.event.set()

    async def wait(self, task_id: str, seconds: float, view: View = EVERYTHING) -> Task | None:
        """Return the task when it has ended or ``seconds`` are over; None if ``view`` has none.

        Raises:
            StoreUnavailable: the ledger does not answer.
        """

        async def look() -> Task | None:
            return await self._store.tasks.get(task_id, view)

        def unfinished(task: Task) -> set[str]:
            return set() if task.ended else {task.id}

        return await self._hold([task_id], look, unfinished, seconds)

    async def wait_group(
        self, group_id: str, seconds: float, view: View = EVERYTHING
    ) -> tuple[Group, dict[str, Task]] | None:
        """Return the group and its tasks when all have ended or ``seconds`` are over.

        Raises:
            StoreUnavailable: the ledger does not answer.
        """

        async def look() -> tuple[Group, dict[str, Task]] | None:
            return await self._store.groups.find(group_id, view)

        def unfinished(found: tuple[Group, dict[str, Task]]) -> set[str]:
            return {task.id for task in found[1].values() if not task.ended}

        found = await look()
        if found is None or seconds <= 0:
            return found
        return await self._hold(found[0].task_ids, look, unfinished, seconds)

    async def _hold(
        self,
        task_ids: Iterable[str],
        look: Callable[[], Awaitable[T | None]],
        unfinished: Callable[[T], set[str]],
        seconds: float,
    ) -> T | None:
        """Look, and again when nothing is unfinished any more, or time is up.

        Listening begins before the first look, so that no ending slips between the two.
        """
        with self._listening(task_ids) as waiter:
            found = await look()
            if found is None or seconds <= 0:
                return found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (left := unfinished(found)) and not self._closing:
                        waiter.remaining = left - waiter.heard
                        if waiter.remaining:
                            await waiter.event.wait()
                        waiter.event.clear()
                        waiter.heard.clear()
                        found = await look() or found
                    return found
            return await look()  # its progress now, not as it was before

    @contextlib.contextmanager
    def _listening(self, task_ids: Iterable[str]) -> Iterator[_Waiter]:
        ids = list(task_ids)
        waiter = _Waiter()
        for task_id in ids:
            self._waiting[task_id].add(waiter)
        try:
            yield waiter
        finally:
            for task_id in ids:
                self._waiting[task_id].discard(waiter)
                if not self._waiting[task_id]:
                    del self._waiting[task_id]
