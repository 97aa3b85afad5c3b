"""Polls and long polls (?wait=): one change stream wakes all requests whose tasks ended."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiohttp import web
from async_lru import alru_cache

from models.auth.visibility import UNRESTRICTED_VIEW, View
from models.store import Store
from models.store.tasks.change_stream import TaskChange
from models.tasks.group import Group
from models.tasks.task import ENDED, Task
from service.app_keys import STORE
from service.auth.authenticator import AUTHENTICATOR
from service.http.request_counts import WAITS_FOR_TASKS
from service.recent_results import RECENT_RESULTS

T = TypeVar("T")

_POLLED_SECONDS = 0.1  # for which progress may be old: some clients poll fifty times a second
_MAX_POLLED = 10_000  # tasks that are polled within that time


class _Waiter:
    """A request that waits until all tasks in ``remaining`` have ended."""

    def __init__(self) -> None:
        self.remaining: set[str] = set()
        self.wake = asyncio.Event()


class CompletionWaiter:
    """Wakes requests when the tasks they wait for end."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[_Waiter]] = defaultdict(set)
        self._closing = False

    def on_change(self, change: TaskChange) -> None:
        """Wake the requests that wait for the task alone, if it ended."""
        if change.status in ENDED:
            for waiter in self._waiters.get(change.task_id, ()):
                waiter.remaining.discard(change.task_id)
                if not waiter.remaining:
                    waiter.wake.set()

    def on_missed_changes(self) -> None:
        """Wake all requests to read the state again."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake.set()

    def close(self) -> None:
        """Wake all requests so that they respond now: the service shuts down."""
        self._closing = True
        self.on_missed_changes()

    async def wait(
        self,
        task_ids: Iterable[str],
        read: Callable[[], Awaitable[T | None]],
        tasks_in: Callable[[T], Iterable[Task]],
        seconds: float,
    ) -> T | None:
        """Return what ``read`` gives once all tasks in it have ended, or after ``seconds``.

        It is read after the request was registered for ``task_ids``, and again when they ended.
        """
        ids, waiter = set(task_ids), _Waiter()
        for task_id in ids:
            self._waiters[task_id].add(waiter)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    waiter.wake.clear()
                    waiter.remaining = set(ids)  # tasks that end during the read leave it
                    found = await read()
                    if found is None or self._closing:
                        return found
                    unfinished = {task.id for task in tasks_in(found) if not task.ended}
                    if not unfinished:
                        return found
                    waiter.remaining &= unfinished
                    if waiter.remaining:
                        await waiter.wake.wait()
        except TimeoutError:
            return await read()  # the current progress
        finally:
            for task_id in ids:
                self._waiters[task_id].discard(waiter)
                if not self._waiters[task_id]:
                    del self._waiters[task_id]


class PolledTasks:
    """Unfinished tasks that were read a moment ago; forgotten as soon as they end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read = alru_cache(_MAX_POLLED, ttl=_POLLED_SECONDS)(self._load)

    def on_change(self, change: TaskChange) -> None:
        if change.status in ENDED:
            self.forget(change.task_id)

    def on_missed_changes(self) -> None:
        self._read.cache_clear()

    def forget(self, task_id: str) -> None:
        """Read the task again at its next poll: this service ended it."""
        self._read.cache_invalidate(task_id)

    async def get(self, task_id: str, view: View) -> Task | None:
        """Return the task, unfinished at most ``_POLLED_SECONDS`` old; None if not in ``view``."""
        task = await self._read(task_id)
        if task is None or task.ended:  # a retry would change it
            self.forget(task_id)
        return task if task is not None and view.sees(task.owner) else None

    async def _load(self, task_id: str) -> Task | None:
        return await self._store.tasks.get(task_id)


async def long_poll_task(
    request: web.Request, task_id: str, seconds: float, view: View = UNRESTRICTED_VIEW
) -> Task | None:
    """Return the task when it has ended or after ``seconds``; None if not in ``view``.

    Raises:
        StoreUnavailable: MongoDB is unavailable.
        Unauthorized, Forbidden: see ``Authenticator.revalidate``.
    """
    tasks, recent = request.app[STORE].tasks, request.app[RECENT_RESULTS]
    forgotten = recent.forgotten
    if not seconds:
        task = await request.app[POLLED_TASKS].get(task_id, view)
    else:
        request[WAITS_FOR_TASKS] = True
        task = await request.app[COMPLETION_WAITER].wait(
            [task_id], lambda: tasks.get(task_id, view), lambda task: [task], seconds
        )
        await request.app[AUTHENTICATOR].revalidate(request)
    if task is not None:  # its result is fetched next
        recent.note(task, request.query.get("name"), forgotten)
    return task


async def long_poll_group(
    request: web.Request, group_id: str, seconds: float, view: View = UNRESTRICTED_VIEW
) -> tuple[Group, dict[str, Task]] | None:
    """Return the group and its tasks when all have ended or after ``seconds``.

    Raises:
        StoreUnavailable, Unauthorized, Forbidden: see ``long_poll_task``.
    """
    groups = request.app[STORE].groups
    found = await groups.find(group_id, view)
    if not seconds or found is None or all(task.ended for task in found[1].values()):
        return found
    request[WAITS_FOR_TASKS] = True
    found = await request.app[COMPLETION_WAITER].wait(
        found[0].task_ids,
        lambda: groups.find(group_id, view),
        lambda found: found[1].values(),
        seconds,
    )
    await request.app[AUTHENTICATOR].revalidate(request)
    return found


COMPLETION_WAITER = web.AppKey("completion_waiter", CompletionWaiter)
POLLED_TASKS = web.AppKey("polled_tasks", PolledTasks)
