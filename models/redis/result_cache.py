"""Cache of small results in Redis; it is skipped while Redis does not answer."""

from __future__ import annotations

import asyncio
import hashlib
import time

import structlog
from redis.asyncio import Redis

from models.auth.visibility import scoped
from models.redis.connection import RedisConnection
from models.settings import Settings

log = structlog.get_logger()

_MAX_BYTES = 64 * 1024  # of a result: larger ones come from MongoDB as fast
_TTL_SECONDS = 600
_MEMORY_POLL_SECONDS = 1.0  # between two checks of the memory that Redis uses


class ResultCache:
    """Results by their SHA-256. The second request within ten minutes stores the bytes.

    Bytes from Redis are hashed again, so that a write access to Redis cannot change a picture.
    """

    def __init__(self, settings: Settings, redis: RedisConnection) -> None:
        self._total = settings.cache_total_bytes
        self._redis = redis
        self._memory_checked_at = 0.0
        self._full = False
        self._offers: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for offer in self._offers:
            offer.cancel()
        await asyncio.gather(*self._offers, return_exceptions=True)

    def accepts(self, size: int) -> bool:
        """Return whether results of ``size`` bytes are cached and Redis did not fail just now."""
        return 0 < size <= _MAX_BYTES and self._total > 0 and not self._redis.away

    async def get(self, sha256: str, owner: str = "") -> bytes | None:
        """Return the owner's bytes with that hash, or None; never raises."""
        data: bytes | None = await self._redis.call(lambda redis: redis.get(_key(sha256, owner)))
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
        """Delete the owner's bytes with that hash; without Redis they end after ten minutes."""
        await self.wait_for_offers()
        await self._redis.call(lambda redis: redis.delete(_key(sha256, owner)))

    async def wait_for_offers(self) -> None:
        """Wait until all offers so far are stored or skipped."""
        await asyncio.gather(*self._offers, return_exceptions=True)

    async def _store(self, key: str, data: bytes) -> None:
        async def store(redis: Redis) -> None:
            new = await redis.set(f"{key}:asked", b"", nx=True, ex=_TTL_SECONDS)
            if not new and not await self._is_full(redis):
                await redis.set(key, data, ex=_TTL_SECONDS)

        await self._redis.call(store)

    async def _is_full(self, redis: Redis) -> bool:
        """Return whether Redis uses CACHE_TOTAL_BYTES already: the queue needs the rest."""
        if time.monotonic() - self._memory_checked_at >= _MEMORY_POLL_SECONDS:
            used = (await redis.info("memory"))["used_memory"]
            self._full, self._memory_checked_at = int(used) > self._total, time.monotonic()
        return self._full


def _key(sha256: str, owner: str) -> str:
    # By owner: response times must not reveal that another owner has the same picture.
    return f"darkroom:result:{scoped(owner, sha256, ':')}"
