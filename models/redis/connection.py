"""Redis for calls that may go without it: the rate limits of a service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from models.settings.stores import StoreSettings

log = structlog.get_logger()

T = TypeVar("T")

REDIS_ERRORS = (RedisError, OSError, TimeoutError)
"""Errors of a call if Redis is down, frozen or refuses it."""
_TIMEOUT_SECONDS = 0.25  # Redis answers in a millisecond, and a request can go without it
_MAX_CONNECTIONS = 32  # a burst waits for a connection, or goes without, instead of opening more
AWAY_SECONDS = 1.0  # after a failure, during which no call is made
_MAX_TIMEOUTS_IN_A_ROW = 3  # then Redis counts as away
_REFUSAL_LOG_SECONDS = 10.0  # between two log lines about commands that Redis refuses
_TIMEOUT_ERRORS = (TimeoutError, RedisTimeout)


class Outage:
    """Whether Redis failed a moment ago: its users make no call then; each would wait for its own.

    Each user has its own: what is too slow for one may do for another.
    """

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def begin(self, error: BaseException) -> None:
        log.warning("redis_away", seconds=AWAY_SECONDS, reason=repr(error))
        self._until = time.monotonic() + AWAY_SECONDS


class RedisConnection:
    """A pool; a call waits at most _TIMEOUT_SECONDS, and none is made while Redis is away."""

    def __init__(self, settings: StoreSettings) -> None:
        self.pool = BlockingConnectionPool.from_url(
            settings.redis_url,
            max_connections=_MAX_CONNECTIONS,
            timeout=_TIMEOUT_SECONDS,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
        )
        self._redis: Redis = Redis(connection_pool=self.pool)
        self._outage = Outage()
        self._timeouts = 0  # in a row
        self._timeout_at = 0.0
        self._next_refusal_log = 0.0

    async def close(self) -> None:
        await self._redis.aclose()
        await self.pool.aclose()

    @property
    def away(self) -> bool:
        """Whether Redis failed within the last AWAY_SECONDS."""
        return self._outage.lasts

    async def call(self, make: Callable[[Redis], Awaitable[T]]) -> T | None:
        """Return the reply to the call; None if Redis is away or does not answer in time."""
        if self.away:
            return None
        began = time.monotonic()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                reply = await make(self._redis)
        except REDIS_ERRORS as error:
            self._note_failure(error, began)
            return None
        self._timeouts = 0
        return reply

    def _note_failure(self, error: BaseException, began: float) -> None:
        """Handle an error of a call that began at ``began``.

        A reply with an error, such as a full memory or an unknown command, does not make Redis
        count as away: other calls may succeed.

        A timeout may be this process' fault: if the event loop was blocked, all pending calls time
        out, even those that Redis has answered. So timeouts of overlapping calls count as one, and
        Redis counts as away only after some in a row.
        """
        now = time.monotonic()
        if isinstance(error, ResponseError):
            if now >= self._next_refusal_log:
                self._next_refusal_log = now + _REFUSAL_LOG_SECONDS
                log.error("redis_refuses_a_command", reason=str(error))
            return
        if isinstance(error, _TIMEOUT_ERRORS):
            if began < self._timeout_at:
                return
            self._timeouts, self._timeout_at = self._timeouts + 1, now
            if self._timeouts < _MAX_TIMEOUTS_IN_A_ROW:
                log.info("redis_timeout", in_a_row=self._timeouts)
                return
        self._outage.begin(error)
