"""The only room that enqueues: Redis and arq are a doorbell, and the ledger remembers who rang."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from arq.connections import ArqRedis
from arq.constants import default_queue_name, in_progress_key_prefix
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from models.errors import StoreUnavailable
from models.metrics.metric import Observe
from models.settings import Settings

log = structlog.get_logger()

_EXPIRES = 24 * 3600  # seconds a ring may wait before arq drops it; the sweep would ring again
TROUBLE = (RedisError, OSError, TimeoutError)
"""What a call of this client raises where Redis is away, frozen or refuses."""

_MARK = "darkroom:mark"

PROCESS = "process"
"""Name of the one arq job: process(task_id)."""


def to_json(job: dict[str, Any]) -> bytes:
    """Serialize an arq job; JSON, so that nobody who reaches Redis can make a worker run code."""
    return json.dumps(job).encode()


def from_json(data: bytes) -> dict[str, Any]:
    job: dict[str, Any] = json.loads(data)
    return job


def connect(settings: Settings) -> ArqRedis:
    """Return arq's Redis client; it connects when first used and retries what may be retried."""
    pool: ConnectionPool = ConnectionPool.from_url(
        settings.redis_url,
        socket_timeout=settings.store_timeout,
        socket_connect_timeout=settings.store_timeout,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 5),
        retry_on_timeout=True,
        retry_on_error=[RedisConnectionError],  # a restarted Redis drops what was connected
    )
    return ArqRedis(pool, job_serializer=to_json, job_deserializer=from_json)


class Queue:
    """Rings for tasks; a ring that fails or is lost is rung again by the sweep."""

    def __init__(self, redis: ArqRedis, patience: float, observe: Observe | None = None) -> None:
        self._redis = redis
        self._observe = observe
        self._patience = patience  # seconds for one call: a frozen Redis must not hold a caller

    @classmethod
    def open(cls, settings: Settings, observe: Observe | None = None) -> Queue:
        return cls(connect(settings), settings.store_timeout, observe)

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def enqueue(
        self, task_id: str, number: int, turn: int, since: datetime | None = None
    ) -> bool:
        """Ring for a task; False (and a log line) if Redis could not be reached in time.

        ``number`` must be new for each ring: arq refuses the id of a job that a dead worker holds.
        ``turn``: lower ones are served first (``models.store.tasks.fair_queue``), of equal ones that which
        was created earlier; ``since`` is when, or now.
        """
        try:
            with self._timed("ring"):
                async with asyncio.timeout(self._patience):
                    await self._redis.enqueue_job(
                        PROCESS,
                        task_id,
                        _job_id=_job_id(task_id, number),
                        _defer_until=_place(turn, since or datetime.now(UTC)),
                        _expires=_EXPIRES,
                    )
        except TROUBLE as error:
            log.warning("ring_failed", task_id=task_id, reason=repr(error))
            return False
        return True

    async def ringing(self, rings: Sequence[tuple[str, int]], *, taken: bool = False) -> list[bool]:
        """Tell for each (task id, ring number) whether its job waits in the queue, not taken yet.

        ``taken``: one that a worker has taken, which it may since have died with, counts, too.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            with self._timed("ringing"):
                async with (
                    asyncio.timeout(self._patience),
                    self._redis.pipeline(transaction=False) as pipe,
                ):
                    for task_id, number in rings:
                        pipe.zscore(default_queue_name, _job_id(task_id, number))
                        pipe.exists(in_progress_key_prefix + _job_id(task_id, number))
                    answers = await pipe.execute()
        except TROUBLE as error:
            raise _unavailable() from error
        pairs = zip(answers[::2], answers[1::2], strict=True)
        return [score is not None and (taken or not held) for score, held in pairs]

    async def forgot(self) -> bool:
        """Tell, once, whether Redis lost what it had: what was left there as a mark is gone.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            async with asyncio.timeout(self._patience):
                return bool(await self._redis.set(_MARK, b"1", nx=True))
        except TROUBLE as error:
            raise _unavailable() from error

    async def ping(self) -> None:
        """Return if Redis answers; raise StoreUnavailable if not."""
        try:
            with self._timed("ping"):
                async with asyncio.timeout(self._patience):
                    await self._redis.ping()
        except TROUBLE as error:
            raise _unavailable() from error

    async def depth(self) -> int:
        """Return how many rings wait in Redis.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            with self._timed("depth"):
                async with asyncio.timeout(self._patience):
                    return int(await self._redis.zcard(default_queue_name))
        except TROUBLE as error:
            raise _unavailable() from error

    @contextmanager
    def _timed(self, call: str) -> Iterator[None]:
        """Tell the observer how long the block took; one that is cancelled does not count."""
        began = time.perf_counter()
        outcome = "error"
        try:
            yield
            outcome = "ok"
        except asyncio.CancelledError:
            outcome = ""
            raise
        finally:
            if self._observe and outcome:
                self._observe(call, outcome, time.perf_counter() - began)


def _job_id(task_id: str, number: int) -> str:
    return f"{task_id}:{number}"


def _place(turn: int, since: datetime) -> datetime:
    """Return the place in arq's queue, which is ordered by time: long ago, the turn decides.

    A turn is a second; within it decide the tenths of seconds of the last hundred seconds, which
    orders all of a round but those on both sides of a hundred's end. Zero is no place to arq.
    """
    tenths = int(since.timestamp() * 10) % 1000
    return datetime.fromtimestamp(turn + (1 + min(tenths, 998)) / 1000, UTC)


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("Redis does not answer", store="redis")
