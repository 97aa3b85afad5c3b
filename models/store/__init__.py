"""The only room that knows MongoDB: the ledger of tasks, the names, and the bytes in GridFS."""

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
from models.metrics.metric import Observe
from models.settings import Settings
from models.settings.mail import sender
from models.store.api_keys import Keys
from models.store.files.consistency import Check
from models.store.files.gridfs import Files
from models.store.files.originals import Originals
from models.store.files.orphans import Orphans
from models.store.files.repair import Repair
from models.store.files.result_names import Names
from models.store.files.retention import Retention
from models.store.metric_snapshots import Snapshots
from models.store.mongo.command_metrics import Timing
from models.store.mongo.errors import guarded
from models.store.mongo.hourly_quotas import Quotas
from models.store.mongo.periodic_lock import Turns
from models.store.mongo.shared_secret import Secret
from models.store.outbox.email_quota import Postage
from models.store.outbox.emails import Mail
from models.store.outbox.newsletters import Newsletters
from models.store.outbox.pending_webhooks import Awaited
from models.store.outbox.subscribers import Subscribers
from models.store.outbox.webhooks import Events
from models.store.tasks.change_stream import Feed
from models.store.tasks.fair_queue import Backlog
from models.store.tasks.groups import Groups
from models.store.tasks.leases import Leases
from models.store.tasks.queue_history import History
from models.store.tasks.search import Board
from models.store.tasks.stats import Gauges
from models.store.tasks.tasks import Tasks
from models.store.tasks.worker_registry import Presence

__all__ = ["Store"]

log = structlog.get_logger()


def _say_waiting(state: RetryCallState) -> None:
    reason = state.outcome.exception().__cause__ if state.outcome else None  # type: ignore[union-attr]
    log.warning("waiting_for_mongodb", attempt=state.attempt_number, reason=str(reason)[:200])


class Store:
    """One connection to the ledger; ``tasks``, ``names``, ``originals``, ... are its rooms."""

    def __init__(self, settings: Settings, observe: Observe | None = None) -> None:
        """``observe`` is told of each command to MongoDB, in threads of the driver."""
        milliseconds = round(settings.store_timeout * 1000)
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            settings.mongo_url,
            appname="darkroom",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            # A frozen server must not hold a caller for ever; change streams ask every second.
            socketTimeoutMS=2 * milliseconds,
            retryWrites=True,
            event_listeners=[Timing(observe)] if observe else [],
        )
        database = self._client.get_database(
            settings.mongo_db,
            codec_options=CodecOptions(tz_aware=True),
            # Acknowledged means journaled by a majority: nothing accepted is lost with a server.
            write_concern=WriteConcern(w="majority", j=True),
        )
        self._settings = settings
        self._database = database
        self.tasks = Tasks(database["tasks"], settings.delete_grace)
        self.feed = Feed(database["tasks"])
        self.leases = Leases(database["tasks"])
        self.board = Board(database, settings.store_timeout)
        self.history = History(database, settings.history_kept_seconds)
        self.keys = Keys(database["keys"])
        self.names = Names(database["names"])
        self.originals = Originals(database, settings.delete_grace)
        self.results = Files(database, "results")
        self.intermediates = Files(database, "intermediates")
        self.groups = Groups(database["groups"], self.tasks, settings.group_ttl)
        self.presence = Presence(database["workers"])
        self.backlog = Backlog(database, self.presence)
        self.gauges = Gauges(database, settings.store_timeout)
        self.snapshots = Snapshots(database["snapshots"])
        self.mail = Mail(database["mail"], sender(settings.smtp_from).domain)
        self.awaited = Awaited(database, settings.webhook_keep)
        self.quotas = Quotas(database["quotas"])
        self.events = Events(database, self.awaited, self.quotas, settings)
        self.subscribers = Subscribers(database["subscribers"])
        self.newsletters = Newsletters(database["newsletters"], database["tasks"])
        self.postage = Postage(self._client, self.mail, self.quotas)
        self.secret = Secret(database["state"])
        self.retention = Retention(database, self.results, settings.delete_grace)
        self.turns = Turns(database["state"])
        self.orphans = Orphans(database, self.results, timedelta(seconds=settings.orphan_seconds))

    @classmethod
    async def open(cls, settings: Settings, observe: Observe | None = None) -> Self:
        """Connect, wait until the store answers, make the indexes, and return the store."""
        store = cls(settings, observe)
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(StoreUnavailable),
                wait=wait_exponential_jitter(multiplier=0.1, max=2),
                before_sleep=_say_waiting,
            ):
                with attempt:
                    await store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    @guarded
    async def _prepare(self) -> None:
        for room in (
            self.tasks,
            self.leases,
            self.backlog,
            self.board,
            self.history,
            self.originals,
            self.results,
            self.intermediates,
            self.groups,
            self.presence,
            self.gauges,
            self.snapshots,
            self.mail,
            self.events,
            self.subscribers,
            self.newsletters,
            self.quotas,
            self.retention,
        ):
            await room.prepare()

    def check(self, *, fast: bool = False) -> Check:
        """Return a walk over the whole store; ``fast``: chunks are counted, not hashed."""
        rooms = (self.originals, self.results, self.intermediates)
        grace = self._settings.delete_grace
        repair = Repair(self._database, self.originals, grace)
        return Check(self._database, *rooms, repair, self._settings.orphan_seconds, fast=fast)

    @guarded
    async def ping(self) -> None:
        """Return if MongoDB answers; raise StoreUnavailable if not."""
        await self._database.command("ping")

    @guarded
    async def drop(self) -> None:
        """Delete the whole database: for tests and benchmarks on stores of their own."""
        await self._client.drop_database(self._database.name)

    def close(self) -> None:
        self._client.close()
