"""Cache of small results in Redis; it is skipped while Redis does not answer."""

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

_TIMEOUT_SECONDS = 0.25  # a slower cache would be no faster than MongoDB
_MAX_CONNECTIONS = 16
_OFF_SECONDS = 5.0  # after a failure, during which the cache is not used
_MEMORY_POLL_SECONDS = 1.0  # between two checks of the memory that Redis uses
_REDIS_ERRORS = (RedisError, OSError, TimeoutError)


class ResultCache:
    """Results by their SHA-256. The second request within CACHE_TTL stores the bytes.

    Bytes from Redis are hashed again, so that a write access to Redis cannot change a picture.
    """

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.cache_max_bytes
        self._ttl = settings.cache_ttl
        self._total = settings.cache_total_bytes
        # A burst of requests waits for a connection, or skips the cache, instead of opening more.
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                settings.redis_url,
                max_connections=_MAX_CONNECTIONS,
                timeout=_TIMEOUT_SECONDS,
                socket_timeout=_TIMEOUT_SECONDS,
                socket_connect_timeout=_TIMEOUT_SECONDS,
            )
        )
        self._off_until = 0.0
        self._memory_checked_at = 0.0
        self._full = False
        self._offers: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for offer in self._offers:
            offer.cancel()
        await asyncio.gather(*self._offers, return_exceptions=True)
        await self._redis.aclose(close_connection_pool=True)

    def accepts(self, size: int) -> bool:
        """Return whether results of ``size`` bytes are cached and Redis did not fail just now."""
        return 0 < size <= self._limit and time.monotonic() >= self._off_until

    async def get(self, sha256: str, owner: str = "") -> bytes | None:
        """Return the owner's bytes with that hash, or None; never raises."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                data: bytes | None = await self._redis.get(_key(sha256, owner))
        except _REDIS_ERRORS as error:
            self._turn_off(error)
            return None
        if data is not None and hashlib.sha256(data).hexdigest() != sha256:
            log.warning("cache_hash_mismatch", sha256=sha256)
            return None
        return data

    def offer(self, sha256: str, data: bytes, owner: str = "") -> None:
        """Store ``data`` in the background if it was requested before."""
        task = asyncio.create_task(self._store(_key(sha256, owner), data))
        self._offers.add(task)
        task.add_done_callback(self._offers.discard)

    async def delete(self, sha256: str, owner: str = "") -> None:
        """Delete the owner's bytes with that hash; without Redis they end with CACHE_TTL."""
        await self.wait_for_offers()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await self._redis.delete(_key(sha256, owner))
        except _REDIS_ERRORS as error:
            self._turn_off(error)

    async def wait_for_offers(self) -> None:
        """Wait until all offers so far are stored or skipped."""
        await asyncio.gather(*self._offers, return_exceptions=True)

    async def _store(self, key: str, data: bytes) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                new = await self._redis.set(f"{key}:asked", b"", nx=True, ex=self._ttl)
                if not new and not await self._is_full():
                    await self._redis.set(key, data, ex=self._ttl)
        except _REDIS_ERRORS as error:
            self._turn_off(error)

    async def _is_full(self) -> bool:
        """Return whether Redis uses CACHE_TOTAL_BYTES already: the queue needs the rest."""
        if time.monotonic() - self._memory_checked_at >= _MEMORY_POLL_SECONDS:
            used = (await self._redis.info("memory"))["used_memory"]
            self._full, self._memory_checked_at = int(used) > self._total, time.monotonic()
        return self._full

    def _turn_off(self, error: BaseException) -> None:
        log.warning("cache_off", seconds=_OFF_SECONDS, reason=repr(error))
        self._off_until = time.monotonic() + _OFF_SECONDS


def _key(sha256: str, owner: str) -> str:
    # By owner: response times must not reveal that another owner has the same picture.
    return f"darkroom:result:{scoped(owner, sha256, ':')}"
