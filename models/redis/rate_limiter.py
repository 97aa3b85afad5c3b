"""Rate limits over a moving window, shared by all services in Redis, with a local fallback."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from math import ceil

from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from models.errors import RateLimited
from models.redis.connection import RedisConnection
from models.settings.limits import RATE_FIELDS, LimitSettings

RATE_LIMIT_PREFIX = "darkroom:window"  # older versions had counters at darkroom:rate
_MAX_LOCAL_WINDOWS = 10_000  # of one process while Redis is away


@dataclass(frozen=True)
class RateLimitState:
    """State of a limit: ``remaining`` of ``limit`` calls until ``reset_seconds`` from now."""

    setting: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    allowed: bool

    @property
    def tightness(self) -> tuple[bool, float]:
        """Sort key: refused states first, then those with the smallest share left."""
        return self.allowed, self.remaining / self.limit

    def refusal(self, calls: str = "requests") -> RateLimited:
        """Return the error of a call that this limit refused."""
        return RateLimited(
            f"more than {self.limit} {calls} in {self.window_seconds} s ({self.setting}); "
            f"retry in {self.reset_seconds} s",
            setting=self.setting,
            limit=self.limit,
            measured=self.limit + 1,
            retry_after=self.reset_seconds,
        )


class _LocalWindows:
    """Moving windows of this process while Redis is away: the newest _MAX_LOCAL_WINDOWS."""

    def __init__(self) -> None:
        self._hits: dict[str, deque[float]] = {}

    def clear(self) -> None:
        """Forget all: Redis counts again."""
        self._hits.clear()

    def read(self, item: RateLimitItem, key: str, *, count: bool) -> tuple[bool, float, int]:
        """Return whether a call is allowed, when the window resets, and what remains of it."""
        now, window = time.time(), item.get_expiry()
        hits = self._hits.get(key, deque())
        while hits and hits[0] <= now - window:
            hits.popleft()
        allowed = len(hits) < item.amount
        if count and allowed:
            hits.append(now)
            if key not in self._hits and len(self._hits) >= _MAX_LOCAL_WINDOWS:
                del self._hits[next(iter(self._hits))]
            self._hits[key] = hits
        return allowed, (hits[0] if hits else now) + window, item.amount - len(hits)


class RateLimiter:
    """Counts calls of clients against the settings RATE_FIELDS; refused calls do not count."""

    def __init__(self, settings: LimitSettings, redis: RedisConnection) -> None:
        self._redis = redis
        self._shared = MovingWindowRateLimiter(
            # The address is that of the pool.
            RedisStorage(
                "async+redis://pool:6379",
                implementation="redispy",
                key_prefix=RATE_LIMIT_PREFIX,
                connection_pool=redis.pool,  # type: ignore[arg-type]
            )
        )
        self._local = _LocalWindows()
        self._items = {
            field.upper(): parse_many(rate) if (rate := settings.rate(field)) else []
            for field in RATE_FIELDS
        }

    async def hit(self, setting: str, client: str) -> RateLimitState | None:
        """Count a call of ``client`` if ``setting`` allows it; while Redis is away, by itself.

        Returns the state of the tightest window; None if the setting is empty.
        """
        return await self._check(setting, client, count=True)

    async def peek(self, setting: str, client: str) -> RateLimitState | None:
        """Return the same state as ``hit``, without counting and without refusing."""
        return await self._check(setting, client, count=False)

    async def _check(self, setting: str, client: str, *, count: bool) -> RateLimitState | None:
        items = self._items[setting]
        if count and len(items) > 1:  # what one window refuses does not count in the others
            state = await self._check(setting, client, count=False)
            if state is not None and not state.allowed:
                return state
        states = [await self._check_window(item, setting, client, count=count) for item in items]
        return min(states, key=lambda state: state.tightness, default=None)

    async def _check_window(
        self, item: RateLimitItem, setting: str, client: str, *, count: bool
    ) -> RateLimitState:
        async def read(_: Redis) -> tuple[bool, float, int]:
            hit = not count or await self._shared.hit(item, setting, client)
            reset_at, remaining = await self._shared.get_window_stats(item, setting, client)
            return hit and (count or remaining > 0), reset_at, remaining

        counted = await self._redis.call(read)
        if counted is None:
            counted = self._local.read(item, item.key_for(setting, client), count=count)
        else:
            self._local.clear()
        allowed, reset_at, remaining = counted
        reset_seconds = max(1, ceil(reset_at - time.time()))
        return RateLimitState(
            setting, item.amount, item.get_expiry(), max(0, remaining), reset_seconds, allowed
        )
