"""A letter and its place in the quota of its address: both or neither."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import WriteConcern
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from models.errors import StoreUnavailable
from models.outbox.email import Draft
from models.store.mongo.errors import guarded
from models.store.mongo.hourly_quotas import Quotas
from models.store.outbox.emails import Mail

# Who collides tries again: one of them always got on, unless a service died within a transaction,
# which MongoDB then ends after a minute or two.
_TRIES = 200
_PAUSE = 0.05  # seconds, at most


class Postage:
    """What puts letters into the outbox as far as the quota allows, in one transaction each."""

    def __init__(
        self, client: AsyncIOMotorClient[dict[str, Any]], mail: Mail, quotas: Quotas
    ) -> None:
        self._client = client
        self._mail = mail
        self._quotas = quotas
        self._lost: list[Any] = []  # sessions whose transaction may still be open

    @guarded
    async def put(self, draft: Draft, key: str, limit: int, again: float) -> tuple[bool, int]:
        """Put a letter as ``Mail.put`` does if fewer than ``limit`` count for ``key`` this hour.

        Returns whether this call did, and the seconds until ``key`` has room where it has none.
        Nothing counts but a letter that was put: not one that is there already, nor one that a
        store which went away lost.
        """
        # Two steps would not do: counted first, a letter that is then not put has taken a place;
        # put first, one may be sent before the limit refuses it.
        for _ in range(_TRIES):
            try:
                await self._clear()
                return await self._try(draft, key, limit, again)
            except PyMongoError as error:
                if isinstance(error, ConnectionFailure) or not _collided(error):
                    raise
            await asyncio.sleep(random.uniform(0, _PAUSE))
        raise StoreUnavailable("the outbox is too busy just now; try again", store="mongodb")

    async def _try(self, draft: Draft, key: str, limit: int, again: float) -> tuple[bool, int]:
        session = await self._client.start_session()
        try:
            session.start_transaction(write_concern=WriteConcern(w="majority", j=True))
            queued, wait = await self._mail.put(draft, again=again, session=session), 0
            if queued:
                wait = await self._quotas.hit(key, limit, session=session)
            if queued and not wait:
                await session.commit_transaction()
        except (StoreUnavailable, ConnectionFailure):
            self._lost.append(session.session_id)  # to end it now were to wait once more
            raise
        except BaseException:
            await session.end_session()
            raise
        await session.end_session()  # which undoes what was not committed
        return queued and not wait, wait

    async def _clear(self) -> None:
        """End what a store that went away still has open: it stands in the way of its address."""
        lost = list(self._lost)
        if lost:
            await self._client.admin.command("killSessions", lost)
            del self._lost[: len(lost)]


def _collided(error: PyMongoError) -> bool:
    """Tell whether another transaction was in the way, which has got on thereby."""
    return isinstance(error, DuplicateKeyError) or error.has_error_label(
        "TransientTransactionError"
    )
