"""How often something was asked lately, counted in Redis for all services together.

The windows are the library's fixed ones: at the edge of two, twice the limit may pass. Its own
storage for Redis needs scripts, which the embedded server has switched off (they are where most of
Redis' holes were); the three commands here do the same in one transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from math import ceil

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from models.bounds import Bound, Reading
from models.errors import StoreUnavailable
from models.settings import Settings

log = structlog.get_logger()

_CONNECTIONS = 32
_OFF = 1.0  # seconds nobody waits for Redis after it failed once
_TROUBLE = (RedisError, OSError, TimeoutError)
_PREFIX = "darkroom:rate:"


class _Counters(Storage):
    """Counters in Redis that end by themselves."""

    STORAGE_SCHEME = None

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return _TROUBLE

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(_PREFIX + key, 0, ex=expiry, nx=True)
            pipe.incrby(_PREFIX + key, amount)
            return int((await pipe.execute())[1])

    async def get(self, key: str) -> int:
        return int(await self._redis.get(_PREFIX + key) or 0)

    async def get_expiry(self, key: str) -> float:
        left: int = await self._redis.pttl(_PREFIX + key)
        return time.time() + max(0, left) / 1000

    async def check(self) -> bool:
        return bool(await self._redis.ping())

    async def reset(self) -> int | None:
        raise NotImplementedError

    async def clear(self, key: str) -> None:
        await self._redis.delete(_PREFIX + key)


class Rates:
    """Counts against limits; nobody waits for Redis longer than RATE_LIMIT_TIMEOUT."""

    def __init__(self, settings: Settings) -> None:
        self._patience = settings.rate_limit_timeout
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                settings.redis_url,
                max_connections=_CONNECTIONS,
                timeout=self._patience,
                socket_timeout=self._patience,
                socket_connect_timeout=self._patience,
            )
        )
        self._limiter = FixedWindowRateLimiter(_Counters(self._redis))
        self._off_until = 0.0

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def hit(self, bounds: Sequence[Bound]) -> Reading | None:
        """Count a call against all ``bounds``; return the one that stands worst, None without any.

        Raises:
            StoreUnavailable: Redis does not answer; nothing is known of the call.
        """
        return await self._ask(bounds, count=True)

    async def look(self, bounds: Sequence[Bound]) -> Reading | None:
        """Return how the bounds stand, as ``hit`` does, and count nothing."""
        return await self._ask(bounds, count=False)

    async def _ask(self, bounds: Sequence[Bound], *, count: bool) -> Reading | None:
        wanted = [(b, item) for b in bounds if b.rate for item in parse_many(b.rate)]
        if not wanted:
            return None
        if time.monotonic() < self._off_until:
            raise _away()
        try:
            async with asyncio.timeout(self._patience):
                read = await asyncio.gather(*(self._one(*each, count) for each in wanted))
        except _TROUBLE as error:
            log.warning("rates_off", seconds=_OFF, reason=repr(error))
            self._off_until = time.monotonic() + _OFF
            raise _away() from error
        return min(read, key=lambda each: (each.passed, each.left / each.limit))

    async def _one(self, bound: Bound, item: RateLimitItem, count: bool) -> Reading:
        identifiers = (bound.setting, bound.whose)
        act = self._limiter.hit if count else self._limiter.test
        passed = await act(item, *identifiers)
        stats = await self._limiter.get_window_stats(item, *identifiers)
        reset = max(1, ceil(stats.reset_time - time.time()))
        return Reading(bound, item.amount, item.get_expiry(), stats.remaining, reset, passed)


def _away() -> StoreUnavailable:
    return StoreUnavailable(
        "Redis does not answer, and calls that are not counted are refused (RATE_LIMIT_FAIL)",
        store="redis",
    )
