"""Whether MongoDB answers: while it does not, calls are refused at once, as of a circuit breaker.

Each call takes a thread of the driver's until it ends or its time is over. Were all of them to wait
for a server that is cut off, nothing else would be answered, and each answer would take that long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context

import structlog

from models.errors import StoreUnavailable

log = structlog.get_logger()

_SLOW_SECONDS = 1.0  # of a call, before MongoDB is asked whether it is there
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
        self._calls: set[asyncio.Timeout] = set()
        self._check: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Watch over a call to MongoDB.

        Raises:
            StoreUnavailable: MongoDB is away, at the begin of the block or during it.
        """
        if self.away:
            raise unavailable()
        slow = asyncio.get_running_loop().call_later(_SLOW_SECONDS, self.suspect)
        try:
            async with asyncio.timeout(None) as limit:
                self._calls.add(limit)
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise unavailable() from None
        except StoreUnavailable:
            self.suspect()
            raise
        finally:
            slow.cancel()
            self._calls.discard(limit)

    def suspect(self) -> None:
        """Find out whether MongoDB answers."""
        if self._check is None or self._check.done():
            # In a context of its own: this is no part of the request that found it out.
            self._check = asyncio.create_task(self._ping_until_answered(), context=Context())

    def close(self) -> None:
        if self._check is not None:
            self._check.cancel()

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
        now = asyncio.get_running_loop().time()
        for limit in list(self._calls) if away else ():
            limit.reschedule(now)
        self.on_change(away)
