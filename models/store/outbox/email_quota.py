"""Insert an e-mail and count it against the quota of its address, in one transaction."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from models.errors import StoreUnavailable
from models.outbox.email import EmailDraft
from models.store.mongo.errors import translate_errors
from models.store.mongo.hourly_quotas import HourlyQuotas
from models.store.outbox.emails import EmailOutbox

# On a conflict the transaction is retried: one of those in conflict always succeeds, unless a
# service died within a transaction, which MongoDB then ends after a minute or two.
_MAX_TRANSACTION_ATTEMPTS = 200
_MAX_RETRY_SECONDS = 0.05  # of random delay before a retry, at most


class EmailQuota:
    """Inserts e-mails into the outbox within the quota, one transaction each."""

    def __init__(
        self, client: AsyncIOMotorClient[dict[str, Any]], emails: EmailOutbox, quotas: HourlyQuotas
    ) -> None:
        self._client = client
        self._emails = emails
        self._quotas = quotas
        self._lost_sessions: list[Any] = []  # sessions whose transaction may still be open

    @translate_errors
    async def put(
        self, draft: EmailDraft, key: str, limit: int, resend_after: float
    ) -> tuple[bool, int]:
        """Insert an e-mail as ``EmailOutbox.put`` if ``key`` has fewer than ``limit`` this hour.

        Returns whether this call inserted it, and the seconds until ``key`` has room, 0 if it has.
        Only inserted e-mails count: not one that exists already, nor one lost because MongoDB
        became unreachable.
        """
        # Two separate steps fail: if counted first, an e-mail that is then not inserted uses up
        # quota; if inserted first, it may be sent before the limit refuses it.
        for _ in range(_MAX_TRANSACTION_ATTEMPTS):
            try:
                await self._end_lost_transactions()
                return await self._put_in_transaction(draft, key, limit, resend_after)
            except PyMongoError as error:
                if isinstance(error, ConnectionFailure) or not _is_conflict(error):
                    raise
            await asyncio.sleep(random.uniform(0, _MAX_RETRY_SECONDS))
        raise StoreUnavailable("too many e-mail requests at once; try again", store="mongodb")

    async def _put_in_transaction(
        self, draft: EmailDraft, key: str, limit: int, resend_after: float
    ) -> tuple[bool, int]:
        session = await self._client.start_session()
        try:
            session.start_transaction(write_concern=WriteConcern(w="majority", j=True))
            wait = 0
            queued = await self._emails.put(draft, resend_after=resend_after, session=session)
            if queued:
                wait = await self._quotas.consume(key, limit, session=session)
            if queued and not wait:
                await session.commit_transaction()
        except (StoreUnavailable, ConnectionFailure):
            # Ending it now would wait for MongoDB once more.
            self._lost_sessions.append(session.session_id)
            raise
        except BaseException:
            await session.end_session()
            raise
        await session.end_session()  # which rolls back what was not committed
        return queued and not wait, wait

    async def _end_lost_transactions(self) -> None:
        """End transactions left open when MongoDB was unreachable: they block their address."""
        lost = list(self._lost_sessions)
        if lost:
            await self._client.admin.command("killSessions", lost)
            del self._lost_sessions[: len(lost)]


def _is_conflict(error: PyMongoError) -> bool:
    """Return whether a concurrent transaction conflicted, which then succeeded."""
    return isinstance(error, DuplicateKeyError) or error.has_error_label(
        "TransientTransactionError"
    )
