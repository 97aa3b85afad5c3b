"""Newsletter subscribers: pending, confirmed, unsubscribed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.outbox.subscriber import Subscriber, Subscription
from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import now_plus
from models.store.mongo.upsert import upsert

Document = dict[str, Any]

_CONFIRMED = {"$eq": ["$status", Subscription.CONFIRMED]}


class Subscribers:
    """The collection ``subscribers``; unconfirmed entries are deleted at ``expires_at``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._subscribers = collection

    def declare_indexes(self, indexes: Indexes) -> None:
        indexes.add(self._subscribers, "address", unique=True)
        indexes.add(self._subscribers, "expires_at", expireAfterSeconds=0)
        indexes.add(self._subscribers, [("status", 1), ("_id", 1)])

    @translate_errors
    async def get(self, subscriber_id: str) -> Subscriber | None:
        return _subscriber(await self._subscribers.find_one({"_id": subscriber_id}))

    @translate_errors
    async def find_by_address(self, address: str) -> Subscriber | None:
        return _subscriber(await self._subscribers.find_one({"address": address}))

    @translate_errors
    async def get_or_create(self, address: str, keep: float) -> Subscriber:
        """Return the subscriber with ``address``, PENDING if new; keep it ``keep`` seconds more."""
        until = now_plus(keep)
        change = {
            "status": {"$ifNull": ["$status", Subscription.PENDING]},
            "asked_at": "$$NOW",
            "expires_at": {"$cond": [_CONFIRMED, "$$REMOVE", {"$max": ["$expires_at", until]}]},
        }
        document = await upsert(
            self._subscribers,
            {"address": address},
            [{"$set": {"_id": {"$ifNull": ["$_id", secrets.token_hex(16)]}, **change}}],
        )
        return Subscriber.model_validate(document)

    @translate_errors
    async def confirm(self, subscriber_id: str) -> bool:
        """Confirm a subscription; False if the subscriber does not exist (any more)."""
        outcome = await self._subscribers.update_one(
            {"_id": subscriber_id},
            [
                {
                    "$set": {
                        "status": Subscription.CONFIRMED,
                        "confirmed_at": {"$cond": [_CONFIRMED, "$confirmed_at", "$$NOW"]},
                        "expires_at": "$$REMOVE",
                    }
                }
            ],
        )
        return outcome.matched_count == 1

    @translate_errors
    async def unsubscribe(self, subscriber_id: str, keep: float) -> bool:
        """Unsubscribe; return whether this call did. The entry is kept for ``keep`` seconds."""
        outcome = await self._subscribers.update_one(
            {"_id": subscriber_id, "status": Subscription.CONFIRMED},
            [
                {
                    "$set": {
                        "status": Subscription.UNSUBSCRIBED,
                        "unsubscribed_at": "$$NOW",
                        "expires_at": now_plus(keep),
                    }
                }
            ],
        )
        return outcome.modified_count == 1

    async def confirmed_batches(
        self, before: datetime, batch: int
    ) -> AsyncIterator[list[Subscriber]]:
        """Yield subscribers confirmed before a moment, ``batch`` at a time, ordered by id."""
        last = ""
        while subscribers := await self._page(before, last, batch):
            yield subscribers
            last = subscribers[-1].id

    @translate_errors
    async def _page(self, before: datetime, last: str, batch: int) -> list[Subscriber]:
        query = {
            "status": Subscription.CONFIRMED,
            "_id": {"$gt": last},
            "confirmed_at": {"$lt": before},
        }
        cursor = self._subscribers.find(query).sort("_id", 1).limit(batch)
        return [Subscriber.model_validate(document) async for document in cursor]


def _subscriber(document: Document | None) -> Subscriber | None:
    return Subscriber.model_validate(document) if document else None
