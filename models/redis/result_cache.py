"""Hot small results in Redis: a shortcut, never a source of truth, off when Redis is away."""

from __future__ import annotations

import asyncio
import hashlib
import time

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from models.auth.visibility import scoped
from models.settings import Settings

log = structlog.get_logger()

_PATIENCE = 0.25  # seconds: a cache that is slower than the store is none
_CONNECTIONS = 16
_OFF = 5.0  # seconds without Redis after it failed once
_MEMORY_PAUSE = 1.0  # seconds between two looks at how much memory Redis uses
_TROUBLE = (RedisError, OSError, TimeoutError)


class Cache:
    """Bytes by their SHA-256. A first request is noted, a second one is kept for CACHE_TTL.

    What comes back is hashed again: whoever can write to Redis still cannot change a picture.
    """

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.cache_max_bytes
        self._ttl = settings.cache_ttl
        self._total = settings.cache_total_bytes
        # A burst of requests waits for a connection, or does without, instead of opening more.
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                settings.redis_url,
                max_connections=_CONNECTIONS,
                timeout=_PATIENCE,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
            )
        )
        self._off_until = 0.0
        self._looked_at = 0.0
        self._full = False
        self._offers: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for offer in self._offers:
            offer.cancel()
        await asyncio.gather(*self._offers, return_exceptions=True)
        await self._redis.aclose(close_connection_pool=True)

    def takes(self, size: int) -> bool:
        """Tell whether results of ``size`` bytes are cached, and Redis was there lately."""
        return 0 < size <= self._limit and time.monotonic() >= self._off_until

    async def get(self, sha256: str, owner: str = "") -> bytes | None:
        """Return the owner's bytes of that hash, or None; never raises."""
        try:
            async with asyncio.timeout(_PATIENCE):
                data: bytes | None = await self._redis.get(_key(sha256, owner))
        except _TROUBLE as error:
            self._rest(error)
            return None
        if data is not None and hashlib.sha256(data).hexdigest() != sha256:
            log.warning("cache_spoiled", sha256=sha256)
            return None
        return data

    def offer(self, sha256: str, data: bytes, owner: str = "") -> None:
        """Keep ``data`` if it was asked for before, without making anybody wait."""
        task = asyncio.create_task(self._take(_key(sha256, owner), data))
        self._offers.add(task)
        task.add_done_callback(self._offers.discard)

    async def drop(self, sha256: str, owner: str = "") -> None:
        """Forget the owner's bytes of that hash, if Redis answers; else CACHE_TTL does it."""
        await self.settle()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._redis.delete(_key(sha256, owner))
        except _TROUBLE as error:
            self._rest(error)

    async def settle(self) -> None:
        """Wait until every offer so far was taken or not."""
        await asyncio.gather(*self._offers, return_exceptions=True)

    async def _take(self, key: str, data: bytes) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                new = await self._redis.set(f"{key}:asked", b"", nx=True, ex=self._ttl)
                if not new and not await self._is_full():
                    await self._redis.set(key, data, ex=self._ttl)
        except _TROUBLE as error:
            self._rest(error)

    async def _is_full(self) -> bool:
        """Tell whether Redis uses CACHE_TOTAL_BYTES already: the queue must never lack room."""
        if time.monotonic() - self._looked_at >= _MEMORY_PAUSE:
            used = (await self._redis.info("memory"))["used_memory"]
            self._full, self._looked_at = int(used) > self._total, time.monotonic()
        return self._full

    def _rest(self, error: BaseException) -> None:
        log.warning("cache_off", seconds=_OFF, reason=repr(error))
        self._off_until = time.monotonic() + _OFF


def _key(sha256: str, owner: str) -> str:
    # How fast it comes must not tell that somebody else has the same picture.
    return f"darkroom:result:{scoped(owner, sha256, ':')}"
