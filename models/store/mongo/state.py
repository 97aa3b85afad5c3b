"""The collection ``state``: what all programs on a database share, one document each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

import structlog
from motor.motor_asyncio import AsyncIOMotorDatabase

from models.errors import BadSettings
from models.settings import Settings
from models.store.mongo.lease import Lease
from models.store.mongo.repository import Document, Repository, upsert

log = structlog.get_logger()

SCHEMA = 1
"""Grows with a change of the documents that the version of Darkroom before it could not read, or
would destroy. What only adds to them needs no new number."""

MIGRATIONS: dict[int, Callable[[AsyncIOMotorDatabase[Document]], Awaitable[None]]] = {}
"""By the schema that they lead to. They may run again from the start: their program may die."""

_MIGRATION_SECONDS = 60.0  # after which another program takes over from one that died
_MIGRATION_POLL_SECONDS = 1.0


class SchemaVersion(Repository, collection="state"):
    """The document ``schema``: {_id, version}; without it, a database has the first schema."""

    async def migrate(self) -> None:
        """Return once the database has ``SCHEMA``; of concurrent programs one migrates it.

        Raises:
            BadSettings: a newer Darkroom has migrated it.
        """
        lease = Lease(self._collection, holder="holder", until="due_at")
        first, token = {"$setOnInsert": {"version": 1}}, secrets.token_hex(8)
        while True:
            found = await upsert(self._collection, {"_id": "schema"}, first)
            version = int(found["version"])
            if version == SCHEMA:
                return
            if version > SCHEMA:
                raise BadSettings(
                    f"the database {self._database.name} (MONGO_DB) has schema {version}, and this "
                    f"version of Darkroom knows up to {SCHEMA}; run the newer version that opened "
                    "it, or restore a backup from before that",
                    measured=version,
                    limit=SCHEMA,
                )
            if await lease.claim({"_id": "schema", "version": version}, token, _MIGRATION_SECONDS):
                log.info("migration_started", schema=version + 1)
                await MIGRATIONS[version + 1](self._database)
                done = {"version": version + 1, "holder": "", "due_at": None}
                await lease.update_if_held("schema", token, done)
            else:
                await asyncio.sleep(_MIGRATION_POLL_SECONDS)


class SecretKey(Repository, collection="state"):
    """SECRET_KEY; without that setting, the document ``secret_key``, which is generated once."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._secret = settings.auth.secret_key.get_secret_value()

    async def get(self) -> str:
        """Return the secret from which all signatures derive; the first caller generates it.

        Only the first call asks MongoDB; ``Store.open`` makes it.
        """
        if not self._secret:
            generated = {"$setOnInsert": {"value": secrets.token_urlsafe(48)}}
            document = await upsert(self._collection, {"_id": "secret_key"}, generated)
            self._secret = str(document["value"])
        return self._secret


class PeriodicLock(Repository, collection="state"):
    """Locks of periodic jobs: {_id: job, holder, due_at}.

    Of all programs, one runs a job in an interval; a lock is not released, but ends at ``due_at``,
    also when its holder has died. They are in MongoDB, not in Redis, so that they survive a Redis
    that loses its data.
    """

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._lease = Lease(self._collection, holder="holder", until="due_at")
        self._created: set[str] = set()

    async def acquire(self, job: str, holder: str, seconds: float) -> bool:
        """Lock ``job`` for ``seconds`` if it is due; of concurrent callers one succeeds."""
        if job not in self._created:  # by any program: else no claim finds it
            await upsert(self._collection, {"_id": job}, {"$setOnInsert": {"holder": ""}})
            self._created.add(job)
        if not await self._lease.is_any_free({"_id": job}):
            return False
        return await self._lease.claim({"_id": job}, holder, seconds) is not None


class AlertLog(Repository, collection="state"):
    """The document ``alerts``: {since: {code: time}}. One program at a time writes it."""

    async def record(self, codes: Collection[str]) -> None:
        """Record which alerts exist now; those that existed before keep their time."""
        known = await self.since()
        gone = {f"since.{code}": "" for code in known if code not in codes}
        new = {f"since.{code}": True for code in codes if code not in known}
        change = {
            **({"$unset": gone} if gone else {}),
            **({"$currentDate": new} if new else {}),
        }
        if change:
            await self._collection.update_one({"_id": "alerts"}, change, upsert=True)

    async def since(self) -> dict[str, datetime]:
        """Return the times since when alerts exist, by code."""
        document = await self._collection.find_one({"_id": "alerts"})
        return dict((document or {}).get("since", {}))
