"""The MongoDB store: the task ledger, outboxes, result names, and files in GridFS.

Only this package knows MongoDB.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

import structlog
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential_jitter,
)

from models.errors import StoreUnavailable
from models.metrics.metric import CallObserver
from models.settings import Settings
from models.settings.mail import parse_sender
from models.store.api_keys import ApiKeys
from models.store.files.consistency import ConsistencyCheck
from models.store.files.gridfs import FileBucket
from models.store.files.originals import Originals
from models.store.files.orphans import OrphanCollector
from models.store.files.repair import Repair
from models.store.files.result_names import ResultNames
from models.store.files.retention import Retention
from models.store.metric_snapshots import MetricSnapshots
from models.store.mongo.command_metrics import CommandMetrics
from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.state import PeriodicLock, SecretKey
from models.store.outbox.emails import EmailOutbox
from models.store.outbox.newsletters import Newsletters
from models.store.outbox.pending_webhooks import PendingWebhooks
from models.store.outbox.subscribers import Subscribers
from models.store.outbox.webhooks import WebhookOutbox
from models.store.tasks.change_stream import TaskChangeStream
from models.store.tasks.fair_queue import FairQueue
from models.store.tasks.groups import Groups
from models.store.tasks.leases import Leases
from models.store.tasks.queue_history import QueueHistory
from models.store.tasks.search import TaskSearch
from models.store.tasks.stats import TaskStats
from models.store.tasks.tasks import Tasks
from models.store.tasks.worker_registry import WorkerRegistry

__all__ = ["Store"]

# Bytes of no task are deleted after this many DELETE_GRACE_SECONDS, an hour by default: a worker
# that was frozen while it stored a result must not lose it.
_ORPHAN_GRACES = 6

log = structlog.get_logger()


def _log_waiting(state: RetryCallState) -> None:
    reason = state.outcome.exception().__cause__ if state.outcome else None  # type: ignore[union-attr]
    log.warning("waiting_for_mongodb", attempt=state.attempt_number, reason=str(reason)[:200])


class Store:
    """One MongoDB connection; ``tasks``, ``result_names``, ``originals``, ... are collections."""

    def __init__(self, settings: Settings, observe: CallObserver | None = None) -> None:
        """``observe`` is called for each command to MongoDB, in threads of the driver."""
        milliseconds = round(settings.store_timeout * 1000)
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            settings.mongo_url,
            appname="darkroom",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            # A frozen server must not block a caller for ever; change streams poll every second.
            socketTimeoutMS=2 * milliseconds,
            retryWrites=True,
            event_listeners=[CommandMetrics(observe)] if observe else [],
        )
        database = self._client.get_database(
            settings.mongo_db,
            codec_options=CodecOptions(tz_aware=True),
            # Acknowledged means journaled by a majority: losing a server loses nothing accepted.
            write_concern=WriteConcern(w="majority", j=True),
        )
        self._settings = settings
        self._database = database
        self.tasks = Tasks(database["tasks"], settings.delete_grace_seconds)
        self.change_stream = TaskChangeStream(database["tasks"])
        self.leases = Leases(database["tasks"])
        self.task_search = TaskSearch(database, settings.store_timeout)
        self.queue_history = QueueHistory(database)
        self.api_keys = ApiKeys(database["keys"])
        self.result_names = ResultNames(database["names"])
        self.originals = Originals(database, settings.delete_grace_seconds)
        self.results = FileBucket(database, "results")
        self.intermediates = FileBucket(database, "intermediates")
        self.groups = Groups(database["groups"], self.tasks, settings.group_ttl)
        self.workers = WorkerRegistry(database["workers"])
        self.fair_queue = FairQueue(database, self.workers)
        self.task_stats = TaskStats(database, settings.store_timeout)
        self.metric_snapshots = MetricSnapshots(database["snapshots"])
        self.emails = EmailOutbox(database, parse_sender(settings.smtp_from).domain)
        self.pending_webhooks = PendingWebhooks(database, settings.webhook_retention_seconds)
        self.webhooks = WebhookOutbox(database, self.pending_webhooks, settings)
        self.subscribers = Subscribers(database["subscribers"])
        self.newsletters = Newsletters(database["newsletters"], database["tasks"])
        self.secret_key = SecretKey(database["state"], settings.secret_key)
        self.retention = Retention(database, self.results, settings.delete_grace_seconds)
        self.periodic_lock = PeriodicLock(database["state"])
        self._orphan_age = timedelta(seconds=_ORPHAN_GRACES * settings.delete_grace_seconds)
        self.orphans = OrphanCollector(database, self.results, self._orphan_age)

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
                    await store._create_indexes()
                    await store.secret_key.get()
        except BaseException:
            store.close()
            raise
        return store

    @translate_errors
    async def _create_indexes(self) -> None:
        indexes = Indexes()
        for collection in (
            self.tasks,
            self.leases,
            self.fair_queue,
            self.task_search,
            self.queue_history,
            self.originals,
            self.results,
            self.intermediates,
            self.groups,
            self.workers,
            self.task_stats,
            self.metric_snapshots,
            self.emails,
            self.webhooks,
            self.subscribers,
            self.newsletters,
            self.retention,
        ):
            collection.declare_indexes(indexes)
        await indexes.create()

    def check(self, *, fast: bool = False) -> ConsistencyCheck:
        """Return a consistency check of the whole store; ``fast`` counts chunks and hashes none."""
        buckets = (self.originals, self.results, self.intermediates)
        grace = self._settings.delete_grace_seconds
        repair = Repair(self._database, self.originals, grace)
        return ConsistencyCheck(self._database, *buckets, repair, self._orphan_age, fast=fast)

    @translate_errors
    async def ping(self) -> None:
        """Raise StoreUnavailable unless MongoDB answers."""
        await self._database.command("ping")

    @translate_errors
    async def drop(self) -> None:
        """Delete the whole database: for tests and benchmarks with their own stores."""
        await self._client.drop_database(self._database.name)

    def close(self) -> None:
        self._client.close()
