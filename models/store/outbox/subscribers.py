"""Newsletter subscribers: pending, confirmed, unsubscribed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import datetime

from models.outbox.subscriber import Subscriber, Subscription
from models.store.mongo.repository import Document, Repository, now_plus
from models.store.mongo.upsert import upsert

_CONFIRMED = {"$eq": ["$status", Subscription.CONFIRMED]}


class Subscribers(Repository, collection="subscribers"):
    """The collection ``subscribers``; unconfirmed entries are deleted at ``expires_at``."""

    async def get(self, subscriber_id: str) -> Subscriber | None:
        return _subscriber(await self._collection.find_one({"_id": subscriber_id}))

    async def find_by_address(self, address: str) -> Subscriber | None:
        return _subscriber(await self._collection.find_one({"address": address}))

    async def get_or_create(self, address: str, keep: float) -> Subscriber:
        """Return the subscriber with ``address``, PENDING if new; keep it ``keep`` seconds more."""
        until = now_plus(keep)
        change = {
            "status": {"$ifNull": ["$status", Subscription.PENDING]},
            "asked_at": "$$NOW",
            "expires_at": {"$cond": [_CONFIRMED, "$$REMOVE", {"$max": ["$expires_at", until]}]},
        }
        document = await upsert(
            self._collection,
            {"address": address},
            [{"$set": {"_id": {"$ifNull": ["$_id", secrets.token_hex(16)]}, **change}}],
        )
        return Subscriber.model_validate(document)

    async def confirm(self, subscriber_id: str) -> bool:
        """Confirm a subscription; False if the subscriber does not exist (any more)."""
        outcome = await self._collection.update_one(
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

    async def unsubscribe(self, subscriber_id: str, keep: float) -> bool:
        """Unsubscribe; return whether this call did. The entry is kept for ``keep`` seconds."""
        outcome = await self._collection.update_one(
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
        while True:
            query = {
                "status": Subscription.CONFIRMED,
                "_id": {"$gt": last},
                "confirmed_at": {"$lt": before},
            }
            found = self._collection.find(query).sort("_id", 1).limit(batch)
            subscribers = [Subscriber.model_validate(document) async for document in found]
            if not subscribers:
                return
            yield subscribers
            last = subscribers[-1].id


def _subscriber(document: Document | None) -> Subscriber | None:
    return Subscriber.model_validate(document) if document else None
