"""The collection ``state``: what all programs on a database share, one document each."""

from __future__ import annotations

import secrets

from motor.motor_asyncio import AsyncIOMotorDatabase

from models.settings import Settings
from models.store.mongo.lease import Lease
from models.store.mongo.repository import Document, Repository, upsert


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
        return await self._lease.claim({"_id": job}, holder, seconds) is not None
