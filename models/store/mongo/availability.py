"""Whether MongoDB answers: while it does not, calls are refused at once, as of a circuit breaker.

Each call takes a thread of the driver's until it ends or its time is over. Were all of them to wait
for a server that is cut off, nothing else would be answered, and each answer would take that long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextvars import Context
from types import TracebackType

import structlog

from models.errors import StoreUnavailable

log = structlog.get_logger()

_LOOK_SECONDS = 0.5  # between two looks for a call that has taken as long
_UNANSWERED_PINGS = 2  # in a row: one may be lost because this process was busy
_PAUSE_SECONDS = 0.2  # between two pings
PING_SECONDS = 1.0  # a server answers in a millisecond


def unavailable() -> StoreUnavailable:
    return StoreUnavailable(
        "the database does not answer; nothing was lost, try again shortly", store="mongodb"
    )


class Availability:
    """Of one ``Store``. ``away``: MongoDB does not answer; ``on_change`` is called with it.

    A call that fails, or takes long, is followed by pings; if they are not answered, MongoDB is
    away: all calls in progress fail now, and others when they begin, until a ping is answered. A
    write that waits for a majority in vain fails alone: reads go on.
    """

    def __init__(self, ping: Callable[[], Awaitable[object]]) -> None:
        """``ping`` raises StoreUnavailable, or takes longer than PING_SECONDS, if none answers."""
        self.away = False
        self.on_change: Callable[[bool], None] = lambda _: None
        self._ping = ping
        self._calls: dict[_Call, float] = {}
        """When each call in progress began; the oldest first."""
        self._look: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None

    def call(self) -> _Call:
        """Return the context of a call to MongoDB.

        Raises:
            StoreUnavailable: MongoDB is away, at the begin of the block or during it.
        """
        return _Call(self)

    def suspect(self) -> None:
        """Find out whether MongoDB answers."""
        if self._check is None or self._check.done():
            # In a context of its own: this is no part of the request that found it out.
            self._check = asyncio.create_task(self._ping_until_answered(), context=Context())

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._check is not None:
            self._check.cancel()

    def begin(self, call: _Call) -> None:
        """Note that a call begins. One timer for all: one of each would cost as much as a call."""
        if self.away:
            raise unavailable()
        loop = asyncio.get_running_loop()
        self._calls[call] = loop.time()
        if self._look is None:
            self._look = loop.call_later(_LOOK_SECONDS, self._look_at_the_oldest)

    def end(self, call: _Call) -> None:
        del self._calls[call]

    def _look_at_the_oldest(self) -> None:
        self._look = None
        if self._calls:
            loop = asyncio.get_running_loop()
            if loop.time() - next(iter(self._calls.values())) >= _LOOK_SECONDS:
                self.suspect()
            self._look = loop.call_later(_LOOK_SECONDS, self._look_at_the_oldest)

    async def _ping_until_answered(self) -> None:
        unanswered = 0
        while not await self._answers():
            unanswered += 1
            if unanswered == _UNANSWERED_PINGS:
                log.warning("mongodb_away", refused=len(self._calls))
                self._set(away=True)
            await asyncio.sleep(_PAUSE_SECONDS)
        if self.away:
            log.info("mongodb_available_again")
            self._set(away=False)

    async def _answers(self) -> bool:
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(PING_SECONDS):
                await self._ping()
            return True
        return False

    def _set(self, *, away: bool) -> None:
        self.away = away
        for call in list(self._calls) if away else ():
            call.abort()
        self.on_change(away)


class _Call:
    """See ``Availability.call``; it ends a call as ``asyncio.timeout`` does, but at no set time."""

    __slots__ = ("_aborted", "_availability", "_cancelling", "_task")

    def __init__(self, availability: Availability) -> None:
        self._availability = availability
        self._aborted = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        self._task, self._cancelling = task, task.cancelling()
        self._availability.begin(self)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._availability.end(self)
        if self._aborted:
            own = self._task.uncancel() <= self._cancelling  # else it was cancelled, too
            if own and kind is asyncio.CancelledError:
                raise unavailable() from None
        elif isinstance(error, StoreUnavailable):
            self._availability.suspect()

    def abort(self) -> None:
        """Let the block fail now."""
        if not self._aborted:
            self._aborted = True
            self._task.cancel()
