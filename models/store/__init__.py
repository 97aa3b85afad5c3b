"""The MongoDB store: the task ledger, outboxes, result names, and files in GridFS.

Only this package knows MongoDB.
"""

from __future__ import annotations

import os
from typing import Any, Self

# Threads of Motor's, which each call takes one of; Motor reads it when it is imported. Ten, its
# default on two cores, were all held by ten uploads that waited for a majority. A hundred is what
# the driver opens of connections at most; a thread starts when there are more calls than before.
os.environ.setdefault("MOTOR_MAX_WORKERS", "100")

import pymongo
import structlog
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReadPreference, WriteConcern
from pymongo.read_concern import ReadConcern
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential_jitter,
)

from models.errors import StoreUnavailable
from models.metrics.metric import CallObserver
from models.settings import Settings
from models.store.api_keys import ApiKeys
from models.store.database_copy import copy_database
from models.store.files.consistency import ConsistencyCheck
from models.store.files.gridfs import FileBucket
from models.store.files.originals import Originals
from models.store.files.result_names import ResultNames
from models.store.files.retention import OrphanCollector, Retention
from models.store.mongo.availability import PING_SECONDS, Availability, unavailable
from models.store.mongo.clock import ServerClock
from models.store.mongo.command_metrics import CommandMetrics
from models.store.mongo.health import MongoHealth
from models.store.mongo.indexes import create_indexes
from models.store.mongo.programs import Programs
from models.store.mongo.repository import Repository, raising_unavailable
from models.store.mongo.state import AlertLog, PeriodicLock, SchemaVersion, SecretKey
from models.store.outbox.emails import EmailOutbox
from models.store.outbox.pending_webhooks import PendingWebhooks
from models.store.outbox.subscribers import Newsletters, Subscribers
from models.store.outbox.webhooks import WebhookOutbox
from models.store.presets import OwnedPresets
from models.store.tasks.activity import Activity
from models.store.tasks.change_stream import TaskChangeStream
from models.store.tasks.fair_queue import FairQueue
from models.store.tasks.leases import Leases
from models.store.tasks.measured import MeasuredTasks
from models.store.tasks.queue_history import QueueHistory, TaskStats
from models.store.tasks.search import TaskSearch
from models.store.tasks.tasks import Groups, Tasks
from models.store.tasks.worker_registry import MetricSnapshots, WorkerRegistry

__all__ = ["Store"]

log = structlog.get_logger()


def _log_waiting(state: RetryCallState) -> None:
    reason = state.outcome.exception().__cause__ if state.outcome else None  # type: ignore[union-attr]
    log.warning("waiting_for_mongodb", attempt=state.attempt_number, reason=str(reason)[:200])


class Store:
    """One MongoDB connection; ``tasks``, ``result_names``, ``originals``, ... are collections."""

    def __init__(self, settings: Settings, observe: CallObserver | None = None) -> None:
        """``observe`` is called for each command to MongoDB, in threads of the driver."""
        milliseconds = round(settings.stores.store_timeout * 1000)
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            settings.stores.mongo_url,
            appname="darkroom",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            # A frozen server must not block a thread for ever; change streams poll every second.
            # Not timeoutMS: it would limit a whole upload to GridFS, and replace each maxTimeMS.
            socketTimeoutMS=2 * milliseconds,
            retryWrites=True,
            event_listeners=[CommandMetrics(observe)] if observe else [],
        )
        database = self._client.get_database(
            settings.stores.mongo_db,
            codec_options=CodecOptions(tz_aware=True),
            # Acknowledged means journaled by a majority: losing a server loses nothing accepted.
            # A primary that has lost its majority says so, and frees the thread.
            write_concern=WriteConcern(w="majority", j=True, wtimeout=milliseconds),
            # And nothing is answered that a majority does not have: it could be rolled back. Not of
            # secondaries, whatever MONGO_URL says: they lag behind.
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        self._settings = settings
        self._database = database
        self.tasks = Tasks(database, settings)
        self.change_stream = TaskChangeStream(database["tasks"])
        self.leases = Leases(database, settings)
        self.task_search = TaskSearch(database, settings)
        self.queue_history = QueueHistory(database, settings)
        self.activity = Activity(database, settings)
        self.alert_log = AlertLog(database, settings)
        self.health = MongoHealth(database, settings)
        self.api_keys = ApiKeys(database, settings)
        self.presets = OwnedPresets(database, settings)
        self.result_names = ResultNames(database, settings)
        self.originals = Originals(database, settings)
        self.results = FileBucket(database, settings, "results")
        self.intermediates = FileBucket(database, settings, "intermediates")
        self.groups = Groups(database, settings)
        self.workers = WorkerRegistry(database, settings)
        self.fair_queue = FairQueue(database, settings)
        self.task_stats = TaskStats(database, settings)
        self.measured_tasks = MeasuredTasks(database, settings)
        self.metric_snapshots = MetricSnapshots(database, settings)
        self.emails = EmailOutbox(database, settings)
        self.pending_webhooks = PendingWebhooks(database, settings)
        self.webhooks = WebhookOutbox(database, settings)
        self.subscribers = Subscribers(database, settings)
        self.newsletters = Newsletters(database, settings)
        self.schema = SchemaVersion(database, settings)
        self.secret_key = SecretKey(database, settings)
        self.programs = Programs(database, settings)
        self.retention = Retention(database, settings)
        self.periodic_lock = PeriodicLock(database, settings)
        self.orphans = OrphanCollector(database, settings)
        self.clock = ServerClock()
        self.availability = Availability(self._ping)
        for part in vars(self).values():
            if isinstance(part, Repository):
                part.availability, part.clock = self.availability, self.clock

    @classmethod
    async def open(cls, settings: Settings, observe: CallObserver | None = None) -> Self:
        """Connect, wait until MongoDB answers, create indexes and secret key; return the store."""
        store = cls(settings, observe)
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(StoreUnavailable),
                wait=wait_exponential_jitter(multiplier=0.1, max=2),
                before_sleep=_log_waiting,
            ):
                with attempt:
                    await store.schema.migrate()
                    await store._create_indexes()
                    await store.secret_key.get()
                    await store.health.now()
        except BaseException:
            store.close()
            raise
        return store

    async def _create_indexes(self) -> None:
        with raising_unavailable():
            await create_indexes(self._database)

    async def copy_to(self, target: Store) -> dict[str, int]:
        """Copy everything to ``target``, see ``copy_database``; nothing may use either."""
        with raising_unavailable():
            return await copy_database(self._database, target._database)

    def check(self, *, fast: bool = False) -> ConsistencyCheck:
        """Return a consistency check of the whole store; ``fast`` counts chunks and hashes none."""
        return ConsistencyCheck(self._database, self._settings, fast=fast)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless MongoDB answers within a second."""
        if self.availability.away:
            raise unavailable()
        await self._ping()

    async def _ping(self) -> None:
        with raising_unavailable(), pymongo.timeout(PING_SECONDS):
            await self._database.command("ping")

    async def drop(self) -> None:
        """Delete the whole database: for tests and benchmarks with their own stores."""
        with raising_unavailable():
            await self._client.drop_database(self._database.name)

    def close(self) -> None:
        self.availability.close()
        self._client.close()
