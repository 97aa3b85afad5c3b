"""Long polls (?wait=): one change stream wakes all requests whose tasks ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from aiohttp import web

from models.auth.visibility import UNRESTRICTED_VIEW, View
from models.store import Store
from models.store.tasks.change_stream import TaskChange
from models.tasks.group import Group
from models.tasks.task import ENDED, Task
from service.auth.authenticator import AUTHENTICATOR

T = TypeVar("T")

_ANY_TASK = ""  # not a task id: matches all


class _Waiter:
    """A request that waits until all tasks in ``remaining`` have ended.

    ``ended_meanwhile``: tasks that ended after the last read began; the read may have missed them.
    """

    def __init__(self) -> None:
        self.remaining: set[str] = set()
        self.ended_meanwhile: set[str] = set()
        self.wake = asyncio.Event()

    def mark_ended(self, task_id: str) -> None:
        self.ended_meanwhile.add(task_id)
        if task_id in self.remaining:
            self.remaining.remove(task_id)
            if not self.remaining:
                self.wake.set()


class CompletionWaiter:
    """Wakes requests when the tasks they wait for end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiters: dict[str, set[_Waiter]] = defaultdict(set)
        self._closing = False

    def on_change(self, change: TaskChange) -> None:
        """Wake the requests that wait for the task, if it ended."""
        if change.status in ENDED:
            for key in (change.task_id, _ANY_TASK):
                for waiter in self._waiters.get(key, ()):
                    waiter.mark_ended(change.task_id)

    def on_missed_changes(self) -> None:
        """Wake all requests to read the state again."""
        self._wake_all()

    def close(self) -> None:
        """Wake all requests so that they respond now: the service shuts down."""
        self._closing = True
        self._wake_all()

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake.set()

    async def wait_for_task(
        self, task_id: str, seconds: float, view: View = UNRESTRICTED_VIEW
    ) -> Task | None:
        """Return the task when it has ended or after ``seconds``; None if not in ``view``.

        Raises:
            StoreUnavailable: MongoDB is unavailable.
        """

        async def read() -> Task | None:
            return await self._store.tasks.get(task_id, view)

        def unfinished(task: Task) -> set[str]:
            return set() if task.ended else {task.id}

        return await self._wait_until_ended(read, lambda task: [task.id], unfinished, seconds)

    async def wait_for_group(
        self, group_id: str, seconds: float, view: View = UNRESTRICTED_VIEW
    ) -> tuple[Group, dict[str, Task]] | None:
        """Return the group and its tasks when all have ended or after ``seconds``.

        Raises:
            StoreUnavailable: MongoDB is unavailable.
        """

        async def read() -> tuple[Group, dict[str, Task]] | None:
            return await self._store.groups.find(group_id, view)

        def unfinished(found: tuple[Group, dict[str, Task]]) -> set[str]:
            return {task.id for task in found[1].values() if not task.ended}

        return await self._wait_until_ended(
            read, lambda found: found[0].task_ids, unfinished, seconds
        )

    async def _wait_until_ended(
        self,
        read: Callable[[], Awaitable[T | None]],
        task_ids: Callable[[T], Sequence[str]],
        unfinished: Callable[[T], set[str]],
        seconds: float,
    ) -> T | None:
        """Read, and read again when all have ended or time is up.

        Registers for all tasks before the first read, so that no completion is missed in between:
        only that read tells which tasks the request waits for.
        """
        waiter = _Waiter()
        with contextlib.ExitStack() as registrations:
            with self._registered(waiter, [_ANY_TASK]):
                found = await read()
                if found is None or seconds <= 0:
                    return found
                registrations.enter_context(self._registered(waiter, task_ids(found)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (left := unfinished(found)) and not self._closing:
                        waiter.remaining = left - waiter.ended_meanwhile
                        if waiter.remaining:
                            await waiter.wake.wait()
                        waiter.wake.clear()
                        waiter.ended_meanwhile.clear()
                        found = await read() or found
                    return found
            return await read()  # the current progress

    @contextlib.contextmanager
    def _registered(self, waiter: _Waiter, task_ids: Sequence[str]) -> Iterator[None]:
        for task_id in task_ids:
            self._waiters[task_id].add(waiter)
        try:
            yield
        finally:
            for task_id in task_ids:
                self._waiters[task_id].discard(waiter)
                if not self._waiters[task_id]:
                    del self._waiters[task_id]


async def long_poll_task(
    request: web.Request, task_id: str, seconds: float, view: View = UNRESTRICTED_VIEW
) -> Task | None:
    """Return the task as ``CompletionWaiter.wait_for_task`` does.

    Raises:
        Unauthorized, Forbidden, StoreUnavailable: see ``Authenticator.revalidate``.
    """
    task = await request.app[COMPLETION_WAITER].wait_for_task(task_id, seconds, view)
    if seconds:
        await request.app[AUTHENTICATOR].revalidate(request)
    return task


async def long_poll_group(
    request: web.Request, group_id: str, seconds: float, view: View = UNRESTRICTED_VIEW
) -> tuple[Group, dict[str, Task]] | None:
    """Return the group and its tasks as ``CompletionWaiter.wait_for_group`` does.

    Raises:
        Unauthorized, Forbidden, StoreUnavailable: see ``Authenticator.revalidate``.
    """
    found = await request.app[COMPLETION_WAITER].wait_for_group(group_id, seconds, view)
    if seconds:
        await request.app[AUTHENTICATOR].revalidate(request)
    return found


COMPLETION_WAITER = web.AppKey("completion_waiter", CompletionWaiter)
