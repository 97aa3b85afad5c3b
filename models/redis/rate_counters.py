"""Rate limit counters in Redis, shared by all services, with a local fallback.

Windows are fixed: at the boundary of two, twice the limit may pass. The storage of the ``limits``
library is not used: it needs Lua scripts, which the embedded Redis disables (most of Redis'
vulnerabilities were there), and three round trips for each limit. Here one transaction reads all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from math import ceil

import structlog
from limits import RateLimitItem, parse_many
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from models.auth.rate_limit_types import RateLimit, RateLimitState
from models.errors import StoreUnavailable
from models.settings import Settings

log = structlog.get_logger()

_MAX_CONNECTIONS = 32
_OFF_SECONDS = 1.0  # after a failure, during which only local counters are used
_MAX_TIMEOUTS_IN_A_ROW = 3  # then Redis counts as failed
_MAX_LOCAL_COUNTERS = 10_000  # of one process while Redis does not answer
_TIMEOUT_ERRORS = (TimeoutError, RedisTimeout)
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)
_KEY_PREFIX = "darkroom:rate:"

_Limits = Sequence[tuple[RateLimit, RateLimitItem]]
_Counts = list[tuple[int, float]]
"""For each limit: requests in its window, and remaining seconds of the window."""


class _LocalCounters:
    """Counters of this process while Redis does not answer: the newest _MAX_LOCAL_COUNTERS."""

    def __init__(self) -> None:
        self._counters: dict[str, tuple[int, float]] = {}

    def read(self, limits: _Limits, *, count: bool) -> _Counts:
        return [self._count(_key(*limit), limit[1].get_expiry(), count) for limit in limits]

    def _count(self, key: str, window: int, count: bool) -> tuple[int, float]:
        now = time.monotonic()
        calls, until = self._counters.get(key, (0, 0.0))
        if until <= now:
            self._counters.pop(key, None)
            calls, until = 0, now + window
        if count:
            if key not in self._counters and len(self._counters) >= _MAX_LOCAL_COUNTERS:
                del self._counters[next(iter(self._counters))]
            calls += 1
            self._counters[key] = calls, until
        return calls, until - now


class RateCounters:
    """Count requests against limits; a call waits at most RATE_LIMIT_TIMEOUT for Redis."""

    def __init__(self, settings: Settings) -> None:
        self._timeout_seconds = settings.rate_limit_timeout
        self._closed = settings.rate_limit_fail_mode == "closed"
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                settings.redis_url,
                max_connections=_MAX_CONNECTIONS,
                timeout=self._timeout_seconds,
                socket_timeout=self._timeout_seconds,
                socket_connect_timeout=self._timeout_seconds,
            )
        )
        self._local = _LocalCounters()
        self._off_until = 0.0
        self._timeouts = 0  # in a row
        self._timeout_at = 0.0

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def hit(self, rate_limits: Sequence[RateLimit]) -> RateLimitState | None:
        """Count a request against all limits; return the state of the tightest, None without any.

        Raises:
            StoreUnavailable: Redis does not answer, and RATE_LIMIT_FAIL_MODE=closed.
        """
        return await self._check(rate_limits, count=True)

    async def peek(self, rate_limits: Sequence[RateLimit]) -> RateLimitState | None:
        """Return the same state as ``hit`` without counting."""
        return await self._check(rate_limits, count=False)

    async def _check(
        self, rate_limits: Sequence[RateLimit], *, count: bool
    ) -> RateLimitState | None:
        limits = [(r, item) for r in rate_limits if r.rate for item in parse_many(r.rate)]
        if not limits:
            return None
        counts = await self._count_in_redis(limits, count=count)
        if counts is None:
            if self._closed:
                raise StoreUnavailable(
                    "Redis does not answer, and requests that cannot be counted are refused "
                    "(RATE_LIMIT_FAIL_MODE=closed)",
                    store="redis",
                )
            counts = self._local.read(limits, count=count)
        states = [
            _state(*limit, *counted, count=count)
            for limit, counted in zip(limits, counts, strict=True)
        ]
        return min(states, key=lambda state: (state.allowed, state.remaining / state.limit))

    async def _count_in_redis(self, limits: _Limits, *, count: bool) -> _Counts | None:
        """Return the counts in Redis; None if it does not answer, or failed a moment ago."""
        began = time.monotonic()
        if began < self._off_until:
            return None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                counts = await self._read(limits, count=count)
        except _REDIS_ERRORS as error:
            self._note_failure(error, began)
            return None
        self._timeouts = 0
        return counts

    async def _read(self, limits: _Limits, *, count: bool) -> _Counts:
        async with self._redis.pipeline(transaction=True) as pipe:
            for rate_limit, item in limits:
                key = _KEY_PREFIX + _key(rate_limit, item)
                if count:
                    pipe.set(key, 0, ex=item.get_expiry(), nx=True)
                    pipe.incr(key)
                else:
                    pipe.get(key)
                pipe.pttl(key)
            replies = await pipe.execute()
        size = 3 if count else 2  # replies for one limit
        return [
            (int(replies[end - 2] or 0), max(0, replies[end - 1]) / 1000)
            for end in range(size, len(replies) + 1, size)
        ]

    def _note_failure(self, error: BaseException, began: float) -> None:
        """Handle an error of a call that began at ``began``.

        A timeout may be this process' fault: if the event loop was blocked, all pending calls time
        out, even those that Redis has answered. So timeouts of overlapping calls count as one, and
        Redis counts as failed only after some in a row.
        """
        now = time.monotonic()
        if isinstance(error, _TIMEOUT_ERRORS):
            if began < self._timeout_at:
                return
            self._timeouts, self._timeout_at = self._timeouts + 1, now
            if self._timeouts < _MAX_TIMEOUTS_IN_A_ROW:
                log.info("rate_counters_timeout", in_a_row=self._timeouts)
                return
        log.warning("rate_counters_off", seconds=_OFF_SECONDS, reason=repr(error))
        self._off_until = now + _OFF_SECONDS


def _key(rate_limit: RateLimit, item: RateLimitItem) -> str:
    return item.key_for(rate_limit.setting, rate_limit.subject)


def _state(
    rate_limit: RateLimit, item: RateLimitItem, calls: int, left: float, *, count: bool
) -> RateLimitState:
    allowed = calls <= item.amount if count else calls < item.amount
    remaining = max(0, item.amount - calls)
    reset_seconds = max(1, ceil(left))
    return RateLimitState(
        rate_limit, item.amount, item.get_expiry(), remaining, reset_seconds, allowed
    )
