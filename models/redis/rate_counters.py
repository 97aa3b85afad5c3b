"""How often something was asked lately, counted in Redis for all services together.

The windows are fixed ones: at the edge of two, twice the limit may pass. The library's own storage
for Redis needs scripts, which the embedded server has switched off (they are where most of Redis'
holes were), and asks three times for each limit; here one transaction asks for all of them.
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

from models.auth.rate_limit_types import Bound, Reading
from models.errors import StoreUnavailable
from models.settings import Settings

log = structlog.get_logger()

_CONNECTIONS = 32
_OFF = 1.0  # seconds nobody waits for Redis after it failed
_SLOW_MOMENTS = 3  # in a row, after which it counts as failed
_MOST = 10_000  # counters that one process keeps while Redis is away
_SLOW = (TimeoutError, RedisTimeout)
_TROUBLE = (RedisError, OSError, TimeoutError)
_PREFIX = "darkroom:rate:"

_Wanted = Sequence[tuple[Bound, RateLimitItem]]
_Counts = list[tuple[int, float]]
"""Of each limit the calls in its window, and the seconds that this has left."""


class _Counters:
    """Counters in this process, for while Redis is away: the ``_MOST`` that began last."""

    def __init__(self) -> None:
        self._counters: dict[str, tuple[int, float]] = {}

    def read(self, wanted: _Wanted, *, count: bool) -> _Counts:
        return [self._one(_key(*each), each[1].get_expiry(), count) for each in wanted]

    def _one(self, key: str, window: int, count: bool) -> tuple[int, float]:
        now = time.monotonic()
        calls, until = self._counters.get(key, (0, 0.0))
        if until <= now:
            self._counters.pop(key, None)
            calls, until = 0, now + window
        if count:
            if key not in self._counters and len(self._counters) >= _MOST:
                del self._counters[next(iter(self._counters))]
            calls += 1
            self._counters[key] = calls, until
        return calls, until - now


class Rates:
    """Counts against limits; nobody waits for Redis longer than RATE_LIMIT_TIMEOUT."""

    def __init__(self, settings: Settings) -> None:
        self._patience = settings.rate_limit_timeout
        self._closed = settings.rate_limit_fail == "closed"
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                settings.redis_url,
                max_connections=_CONNECTIONS,
                timeout=self._patience,
                socket_timeout=self._patience,
                socket_connect_timeout=self._patience,
            )
        )
        self._here = _Counters()
        self._off_until = 0.0
        self._slow = 0  # moments in a row
        self._slow_at = 0.0

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def hit(self, bounds: Sequence[Bound]) -> Reading | None:
        """Count a call against all ``bounds``; return the one that stands worst, None without any.

        Raises:
            StoreUnavailable: Redis does not answer, and RATE_LIMIT_FAIL=closed.
        """
        return await self._ask(bounds, count=True)

    async def look(self, bounds: Sequence[Bound]) -> Reading | None:
        """Return how the bounds stand, as ``hit`` does, and count nothing."""
        return await self._ask(bounds, count=False)

    async def _ask(self, bounds: Sequence[Bound], *, count: bool) -> Reading | None:
        wanted = [(b, item) for b in bounds if b.rate for item in parse_many(b.rate)]
        if not wanted:
            return None
        counts = await self._shared(wanted, count=count)
        if counts is None:
            if self._closed:
                raise StoreUnavailable(
                    "Redis does not answer, and calls that are not counted for all services are "
                    "refused (RATE_LIMIT_FAIL)",
                    store="redis",
                )
            counts = self._here.read(wanted, count=count)
        read = [
            _reading(*each, *counted, count=count)
            for each, counted in zip(wanted, counts, strict=True)
        ]
        return min(read, key=lambda each: (each.passed, each.left / each.limit))

    async def _shared(self, wanted: _Wanted, *, count: bool) -> _Counts | None:
        """Return what Redis has; None: it does not answer, or did not a moment ago."""
        began = time.monotonic()
        if began < self._off_until:
            return None
        try:
            async with asyncio.timeout(self._patience):
                counts = await self._read(wanted, count=count)
        except _TROUBLE as error:
            self._failed(error, began)
            return None
        self._slow = 0
        return counts

    async def _read(self, wanted: _Wanted, *, count: bool) -> _Counts:
        async with self._redis.pipeline(transaction=True) as pipe:
            for bound, item in wanted:
                key = _PREFIX + _key(bound, item)
                if count:
                    pipe.set(key, 0, ex=item.get_expiry(), nx=True)
                    pipe.incr(key)
                else:
                    pipe.get(key)
                pipe.pttl(key)
            answers = await pipe.execute()
        each = 3 if count else 2
        return [
            (int(answers[end - 2] or 0), max(0, answers[end - 1]) / 1000)
            for end in range(each, len(answers) + 1, each)
        ]

    def _failed(self, error: BaseException, began: float) -> None:
        """Note that Redis did not answer, or not in time, a call that ``began`` then.

        Too late for one call may be ours: of a loop that was held up, all calls under way are, also
        those that Redis has answered. So they count as one, and some in a row make it Redis'.
        """
        now = time.monotonic()
        if isinstance(error, _SLOW):
            if began < self._slow_at:
                return
            self._slow, self._slow_at = self._slow + 1, now
            if self._slow < _SLOW_MOMENTS:
                log.info("rates_slow", moments=self._slow)
                return
        log.warning("rates_off", seconds=_OFF, reason=repr(error))
        self._off_until = now + _OFF


def _key(bound: Bound, item: RateLimitItem) -> str:
    return item.key_for(bound.setting, bound.whose)


def _reading(bound: Bound, item: RateLimitItem, calls: int, left: float, *, count: bool) -> Reading:
    passed = calls <= item.amount if count else calls < item.amount
    free = max(0, item.amount - calls)
    return Reading(bound, item.amount, item.get_expiry(), free, max(1, ceil(left)), passed)
