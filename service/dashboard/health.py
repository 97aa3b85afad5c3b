"""The health of the stores and disks: whether MongoDB and Redis answer, and what room is left."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from models.errors import StoreUnavailable
from models.free_space import FreeSpace
from models.redis.queue import Queue
from models.result_bytes import total_predicted_bytes
from models.store import Store
from models.store.mongo.health import ReplicaSet
from models.store.tasks.queue_history import StorageStats

T = TypeVar("T")
Bytes = Annotated[int, Field(ge=0)]


class MemberBody(TypedDict):
    """A member of MongoDB's replica set; ``lag_seconds``: behind the primary, null: unknown."""

    name: str
    state: str
    healthy: bool
    lag_seconds: float | None


class MongoBody(TypedDict):
    """MongoDB, as this service reaches it; null: unknown, or it does not answer."""

    up: bool
    ms: Annotated[float | None, Field(description="Duration of one command.")]
    replica_set: Annotated[str | None, Field(description="Its name; empty: a sharded cluster.")]
    primary: str | None
    members: Annotated[
        list[MemberBody] | None,
        Field(description="null: its user lacks the role clusterMonitor."),
    ]
    data_bytes: Bytes | None


class RedisBody(TypedDict):
    """Redis, as this service reaches it; null: unknown, or it does not answer."""

    up: bool
    ms: Annotated[float | None, Field(description="Duration of one command.")]
    used_bytes: Bytes | None
    max_bytes: Annotated[int | None, Field(description="Its maxmemory; 0: no limit.")]


class DiskBody(TypedDict):
    """A disk. Uploads are refused when less than ``kept_bytes`` are free."""

    place: Annotated[
        Literal["mongodb", "spool"],
        Field(description="mongodb: of its data; spool: of this service's uploads in progress."),
    ]
    free_bytes: Bytes
    size_bytes: Bytes
    kept_bytes: Annotated[int, Field(description="MIN_FREE_DISK_BYTES.")]
    promised_bytes: Annotated[int, Field(description="Predicted for the results of open tasks.")]
    reusable_bytes: Annotated[int, Field(description="Room within MongoDB's files for results.")]


class StateBody(TypedDict):
    """Stores and disks."""

    mongodb: MongoBody
    redis: RedisBody
    disks: list[DiskBody]


class _Timed(NamedTuple, Generic[T]):
    """An answer, and the milliseconds until it came."""

    answer: T
    ms: float


class HealthProbe:
    """Asks the stores; each part that does not answer in time is said to be down."""

    def __init__(
        self, kept_bytes: int, timeout: float, store: Store, queue: Queue, free_space: FreeSpace
    ) -> None:
        """``timeout``: seconds for each store."""
        self._kept_bytes = kept_bytes
        self._timeout = timeout
        self._store = store
        self._queue = queue
        self._free_space = free_space

    async def ask(self) -> StateBody:
        mongo, found, redis, memory, own = await asyncio.gather(
            self._timed(self._store.ping),
            self._timed(self._mongodb),
            self._timed(self._queue.ping),
            self._timed(self._queue.memory),
            asyncio.to_thread(shutil.disk_usage, tempfile.gettempdir()),
        )
        disks = [self._disk("spool", own.free, own.total)]
        replica_set, storage, reusable, promised = found.answer if found else (None, None, 0, 0)
        if storage and storage.disk:
            free, size = storage.disk
            disks.insert(0, self._disk("mongodb", free, size, promised, reusable))
        return {
            "mongodb": {
                "up": mongo is not None,
                "ms": mongo and mongo.ms,
                "replica_set": replica_set.name if replica_set else None,
                "primary": replica_set.primary if replica_set else None,
                "members": _members(replica_set) if replica_set else None,
                "data_bytes": storage.data_bytes if storage else None,
            },
            "redis": {
                "up": redis is not None,
                "ms": redis and redis.ms,
                "used_bytes": memory and memory.answer[0],
                "max_bytes": memory and memory.answer[1],
            },
            "disks": disks,
        }

    async def _mongodb(self) -> tuple[ReplicaSet, StorageStats, int, int]:
        store = self._store
        return await asyncio.gather(
            store.health.replica_set(),
            store.task_stats.storage(),
            store.task_stats.reusable_bytes(),
            self._promised(),
        )

    async def _promised(self) -> int:
        """Return the bytes that the results of open tasks will probably take."""
        open_tasks, shares = await asyncio.gather(
            self._store.fair_queue.open_tasks(), self._free_space.result_shares()
        )
        return total_predicted_bytes(open_tasks.most_bytes, shares)

    async def _timed(self, call: Callable[[], Awaitable[T]]) -> _Timed[T] | None:
        """Return what ``call`` gives and how long it took; None if the store does not answer."""
        began = time.perf_counter()
        try:
            answer = await asyncio.wait_for(call(), self._timeout)
        except (StoreUnavailable, TimeoutError):
            return None
        return _Timed(answer, round((time.perf_counter() - began) * 1000, 1))

    def _disk(
        self,
        place: Literal["mongodb", "spool"],
        free: int,
        size: int,
        promised: int = 0,
        reusable: int = 0,
    ) -> DiskBody:
        return {
            "place": place,
            "free_bytes": free,
            "size_bytes": size,
            "kept_bytes": self._kept_bytes,
            "promised_bytes": promised,
            "reusable_bytes": reusable,
        }


def _members(replica_set: ReplicaSet) -> list[MemberBody] | None:
    if replica_set.members is None:
        return None
    return [
        {
            "name": each.name,
            "state": each.state,
            "healthy": each.healthy,
            "lag_seconds": each.lag_seconds,
        }
        for each in replica_set.members
    ]
