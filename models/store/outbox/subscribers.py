"""Who gets the newsletter: asked, confirmed, gone."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.outbox.subscriber import Subscriber, Subscription
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after
from models.store.mongo.upsert import upserted

Document = dict[str, Any]

_CONFIRMED = {"$eq": ["$status", Subscription.CONFIRMED]}


class Subscribers:
    """The collection ``subscribers``; whoever is not confirmed is forgotten at ``expires_at``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document]) -> None:
        self._subscribers = collection

    async def prepare(self) -> None:
        await self._subscribers.create_index("address", unique=True)
        await self._subscribers.create_index("expires_at", expireAfterSeconds=0)
        await self._subscribers.create_index([("status", 1), ("_id", 1)])

    @guarded
    async def get(self, subscriber_id: str) -> Subscriber | None:
        return _subscriber(await self._subscribers.find_one({"_id": subscriber_id}))

    @guarded
    async def find(self, address: str) -> Subscriber | None:
        return _subscriber(await self._subscribers.find_one({"address": address}))

    @guarded
    async def ask(self, address: str, keep: float) -> Subscriber:
        """Return the subscriber of ``address``, PENDING if new, kept for ``keep`` seconds more."""
        until = after(keep)
        change = {
            "status": {"$ifNull": ["$status", Subscription.PENDING]},
            "asked_at": "$$NOW",
            "expires_at": {"$cond": [_CONFIRMED, "$$REMOVE", {"$max": ["$expires_at", until]}]},
        }
        document = await upserted(
            self._subscribers,
            {"address": address},
            [{"$set": {"_id": {"$ifNull": ["$_id", secrets.token_hex(16)]}, **change}}],
        )
        return Subscriber.model_validate(document)

    @guarded
    async def confirm(self, subscriber_id: str) -> bool:
        """Subscribe; False if there is no such subscriber (any more)."""
        answer = await self._subscribers.update_one(
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
        return answer.matched_count == 1

    @guarded
    async def leave(self, subscriber_id: str, keep: float) -> bool:
        """Unsubscribe; tell whether this call did. The entry is kept for ``keep`` seconds."""
        answer = await self._subscribers.update_one(
            {"_id": subscriber_id, "status": Subscription.CONFIRMED},
            [
                {
                    "$set": {
                        "status": Subscription.UNSUBSCRIBED,
                        "unsubscribed_at": "$$NOW",
                        "expires_at": after(keep),
                    }
                }
            ],
        )
        return answer.modified_count == 1

    async def confirmed(self, before: datetime, batch: int) -> AsyncIterator[list[Subscriber]]:
        """Yield those confirmed before a moment, ``batch`` at a time, in the order of their ids."""
        last = ""
        while found := await self._page(before, last, batch):
            yield found
            last = found[-1].id

    @guarded
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
