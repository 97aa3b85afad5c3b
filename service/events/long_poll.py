"""Who waits for which task to end: one change stream wakes any number of requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from models.auth.visibility import EVERYTHING, View
from models.store import Store
from models.store.tasks.change_stream import Change
from models.tasks.group import Group
from models.tasks.task import ENDED, Task

T = TypeVar("T")

_ANY = ""  # no task's id: whichever it is


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
        if task_id in self.remaining:
            self.remaining.remove(task_id)
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
            for key in (change.task_id, _ANY):
                for waiter in self._waiting.get(key, ()):
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

        return await self._hold(look, lambda task: [task.id], unfinished, seconds)

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

        return await self._hold(look, lambda found: found[0].task_ids, unfinished, seconds)

    async def _hold(
        self,
        look: Callable[[], Awaitable[T | None]],
        task_ids: Callable[[T], Sequence[str]],
        unfinished: Callable[[T], set[str]],
        seconds: float,
    ) -> T | None:
        """Look, and again when nothing is unfinished any more, or time is up.

        Listening begins before the first look, so that no ending slips between the two; to all
        tasks, as only that look tells which are meant.
        """
        waiter = _Waiter()
        with contextlib.ExitStack() as listening:
            with self._listening(waiter, [_ANY]):
                found = await look()
                if found is None or seconds <= 0:
                    return found
                listening.enter_context(self._listening(waiter, task_ids(found)))
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
    def _listening(self, waiter: _Waiter, task_ids: Sequence[str]) -> Iterator[None]:
        for task_id in task_ids:
            self._waiting[task_id].add(waiter)
        try:
            yield
        finally:
            for task_id in task_ids:
                self._waiting[task_id].discard(waiter)
                if not self._waiting[task_id]:
                    del self._waiting[task_id]
