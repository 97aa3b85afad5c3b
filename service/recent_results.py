"""Small results that were fetched lately: served from memory.

Within a second after MongoDB confirmed one, and while MongoDB is away. One whose task a poll has
just read is found without looking for its name and its task again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from aiohttp import web

from models.errors import NotFound, NotReady, ResultGone, StoreUnavailable
from models.tasks.task import Result, Status, Task
from service.results import find_result, requested_owner

MAX_RESULT_BYTES = 1024 * 1024  # one chunk in MongoDB: it is kept without a copy
TRUST_SECONDS = 1.0  # a result deleted through another service is served for no longer
_MAX_TOTAL_BYTES = 32 * 1024 * 1024  # of one service: what browsers ask for again and again
_MAX_RESULTS = 2000  # each has its task beside it, which may take more than the smallest pictures


@dataclass
class RecentResult:
    """A result of ``task``; ``confirmed``: monotonic seconds when MongoDB had it.

    ``data``: its bytes; None if only its task was read.
    """

    task: Task
    result: Result
    data: bytes | None
    confirmed: float

    @property
    def trusted(self) -> bool:
        """Whether it can be served without asking MongoDB."""
        return time.monotonic() - self.confirmed < TRUST_SECONDS


class RecentResults:
    """By their own names, whose bytes never change; only results of no key.

    Those have no owner whose key would have to be looked up, and may be in any cache for a year. A
    result that was deleted through another service is found here until this one asks MongoDB for
    it, or others take its place.
    """

    def __init__(self) -> None:
        self._results: OrderedDict[str, RecentResult] = OrderedDict()
        self._bytes = 0
        self.forgotten = 0
        """How many results it was told to forget."""

    def get(self, name: str) -> RecentResult | None:
        return self._results.get(name)

    def forget(self, name: str) -> None:
        """Forget a result: it is gone."""
        self.forgotten += 1
        self._drop(name)

    def _drop(self, name: str) -> None:
        found = self._results.pop(name, None)
        self._bytes -= len(found.data or b"") if found else 0

    def note(self, task: Task, name: str | None, forgotten: int) -> None:
        """Note the results of ``task``, of its upload called ``name``: MongoDB just had them.

        ``forgotten``: that number before it was read. One that was forgotten since may be of it.
        """
        if task.status is not Status.SUCCESS or task.owner or forgotten != self.forgotten:
            return
        now = time.monotonic()
        for each, result in task.available_results(task.upload(name)):
            known = self._results.get(each)
            if known is not None and (known.task.id, known.result) == (task.id, result):
                known.confirmed = now
            else:
                self._add(each, RecentResult(task, result, None, now))

    def _add(self, name: str, found: RecentResult) -> None:
        self._drop(name)
        self._results[name] = found
        self._bytes += len(found.data or b"")
        while self._bytes > _MAX_TOTAL_BYTES or len(self._results) > _MAX_RESULTS:
            self._drop(next(iter(self._results)))

    def keep(
        self, name: str, task: Task, result: Result, chunks: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        """Yield the chunks of a whole result that MongoDB just had, and keep it if it is small.

        Not if any result was forgotten since this call: it may have been this one.
        """
        known = self._results.get(name)
        confirmed = known.confirmed if known and known.trusted else time.monotonic()
        return self._keep(name, task, result, chunks, confirmed, self.forgotten)

    async def _keep(
        self,
        name: str,
        task: Task,
        result: Result,
        chunks: AsyncGenerator[bytes],
        confirmed: float,
        forgotten: int,
    ) -> AsyncGenerator[bytes]:
        kept = []
        async with aclosing(chunks):
            async for chunk in chunks:
                kept.append(chunk)
                yield chunk
        data = kept[0] if len(kept) == 1 else b"".join(kept)
        if forgotten == self.forgotten and len(data) == result.bytes <= MAX_RESULT_BYTES:
            self._add(name, RecentResult(task, result, data, confirmed))


RECENT_RESULTS = web.AppKey("recent_results", RecentResults)


async def find_kept_result(request: web.Request) -> tuple[Task, str, Result, bool, bytes | None]:
    """Return what ``find_result`` does, and the bytes if they are in memory."""
    recent, asked = request.app[RECENT_RESULTS], request.match_info["name"]
    kept = None if requested_owner(request) else recent.get(asked)
    if kept is None or not kept.trusted:
        try:
            task, name, result, exact = await find_result(request)
        except StoreUnavailable:
            if kept is None or kept.data is None:
                raise
        except (NotFound, NotReady, ResultGone):
            recent.forget(asked)
            raise
        else:
            if kept is None or (task.id, result) != (kept.task.id, kept.result):
                return task, name, result, exact, None
            kept.confirmed = time.monotonic()
    structlog.contextvars.bind_contextvars(task_id=kept.task.id)
    return kept.task, asked, kept.result, True, kept.data
