"""The arq queue in Redis: enqueue tasks. The ledger in MongoDB stays the source of truth."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import structlog
from arq.connections import ArqRedis
from arq.constants import default_queue_name, job_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from models.errors import StoreUnavailable
from models.metrics.metric import CallObserver
from models.redis.connection import REDIS_ERRORS, Outage
from models.settings.stores import StoreSettings

log = structlog.get_logger()

_JOB_EXPIRES_SECONDS = 24 * 3600  # then arq drops a waiting job, and the sweep enqueues it again

_SHORT = ":short"
_MARK_KEY = "darkroom:mark"

QUEUED_CHANNEL = "darkroom:queued"
"""A message is published here after each job is enqueued, so that idle workers need not poll.

It is empty, or says who put which job back that it cannot do: ``{kind} {job_id}``. Workers of that
kind cannot, either."""

CANCELLED_CHANNEL = "darkroom:cancelled"
"""The id of each task that is cancelled is published here, so that its worker stops at once."""

JOB_NAME = "process"
"""Name of the only arq job: process(task_id)."""


def to_json(job: dict[str, Any]) -> bytes:
    """Serialize an arq job; as JSON, because a pickle in Redis could run code in a worker."""
    return json.dumps(job).encode()


def from_json(data: bytes) -> dict[str, Any]:
    job: dict[str, Any] = json.loads(data)
    return job


def connect(settings: StoreSettings) -> ArqRedis:
    """Return arq's Redis client; it connects when first used and retries after lost connections."""
    pool: ConnectionPool = ConnectionPool.from_url(
        settings.redis_url,
        socket_timeout=settings.store_timeout,
        socket_connect_timeout=settings.store_timeout,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 5),
        retry_on_timeout=True,
        retry_on_error=[RedisConnectionError],  # a restarted Redis drops its connections
    )
    return ArqRedis(pool, job_serializer=to_json, job_deserializer=from_json)


class Queue:
    """Enqueue tasks; the sweep enqueues a task again whose job failed or was lost.

    All methods but ``enqueue`` and ``publish_cancelled`` raise StoreUnavailable if Redis does not
    answer in time.
    """

    def __init__(
        self, redis: ArqRedis, timeout_seconds: float, observe: CallObserver | None = None
    ) -> None:
        self._redis = redis
        self._observe = observe
        self._timeout_seconds = timeout_seconds  # of one call: a frozen Redis must not block
        self._outage = Outage()

    @classmethod
    def open(cls, settings: StoreSettings, observe: CallObserver | None = None) -> Queue:
        return cls(connect(settings), settings.store_timeout, observe)

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def enqueue(
        self,
        task_id: str,
        number: int,
        turn: int,
        since: datetime,
        *,
        short: bool = False,
    ) -> bool:
        """Enqueue a task; return False, and log, if Redis did not answer in time.

        ``number`` must be new each time: it names the job, so nothing is asked before. Lower
        ``turn``s (``models.store.tasks.fair_queue``) are served first; of equal ones the task
        that was created earlier, at ``since``. ``short``: see ``Work``.
        """
        try:
            async with self._call("enqueue"):
                name, place = job_id(task_id, number, short), _queue_score(turn, since)
                job = serialize_job(
                    JOB_NAME, (task_id,), {}, None, timestamp_ms(), serializer=to_json
                )
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.psetex(job_key_prefix + name, _JOB_EXPIRES_SECONDS * 1000, job)
                    pipe.zadd(default_queue_name, {name: place})
                    pipe.publish(QUEUED_CHANNEL, b"")
                    await pipe.execute()
        except StoreUnavailable as error:
            log.warning("enqueue_failed", task_id=task_id, reason=repr(error.__cause__))
            return False
        return True

    async def publish_cancelled(self, task_id: str) -> None:
        """Tell the worker of a cancelled task; without Redis, its next heartbeat does."""
        with contextlib.suppress(StoreUnavailable):
            async with self._call("publish_cancelled"):
                await self._redis.publish(CANCELLED_CHANNEL, task_id)

    async def are_queued(self, job_ids: Sequence[str]) -> list[bool]:
        """Return for each job whether it is in the queue: no worker has taken it."""
        async with self._call("are_queued"), self._redis.pipeline(transaction=False) as pipe:
            for each in job_ids:
                pipe.zscore(default_queue_name, each)
            return [score is not None for score in await pipe.execute()]

    async def lost_data(self) -> bool:
        """Return whether Redis lost its data since the last call: a marker key is missing."""
        async with self._call(""):
            return bool(await self._redis.set(_MARK_KEY, b"1", nx=True))

    async def ping(self) -> None:
        async with self._call("ping"):
            await self._redis.ping()

    async def depth(self) -> int:
        """Return how many jobs are in the queue: those of tasks that wait."""
        async with self._call("depth"):
            return int(await self._redis.zcard(default_queue_name))

    async def memory(self) -> tuple[int, int]:
        """Return the bytes that Redis uses, and its ``maxmemory``; 0: no limit."""
        async with self._call("memory"):
            found = await self._redis.info("memory")
            return int(found["used_memory"]), int(found["maxmemory"])

    @asynccontextmanager
    async def _call(self, name: str) -> AsyncIterator[None]:
        """Limit a block's duration and report it to the observer, unless ``name`` is empty.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        if self._outage.lasts:
            raise StoreUnavailable("Redis did not answer a moment ago", store="redis")
        began = time.perf_counter()
        outcome = "error"
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield
            outcome = "ok"
        except asyncio.CancelledError:
            name = ""
            raise
        except REDIS_ERRORS as error:
            if not isinstance(error, ResponseError):  # a full memory refuses only some calls
                self._outage.begin(error)
            raise StoreUnavailable("Redis does not answer", store="redis") from error
        finally:
            if self._observe and name:
                self._observe(name, outcome, time.perf_counter() - began)


def job_id(task_id: str, number: int, short: bool) -> str:
    """Return the id of the job of a task's enqueue ``number``."""
    return f"{task_id}:{number}{_SHORT if short else ''}"


def is_short(job_id: str) -> bool:
    """Return whether the job was enqueued as ``short``."""
    return job_id.endswith(_SHORT)


def _queue_score(turn: int, since: datetime) -> int:
    """Return the time that arq's queue sorts the job by: in 1970, in milliseconds, by turn.

    Each turn is one second. Within it jobs are ordered by tenths of seconds of ``since``, modulo
    100 s, so that only jobs on both sides of such a boundary may swap.
    """
    tenths = int(since.timestamp() * 10) % 1000
    return 1000 * turn + 1 + min(tenths, 998)
