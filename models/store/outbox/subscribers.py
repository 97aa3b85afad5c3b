"""Newsletter subscribers (pending, confirmed, unsubscribed), and the weekly issues."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import datetime

from models.outbox.email import Subscriber, Subscription
from models.store.mongo.repository import Document, Repository, insert_new, now_plus, upsert
from models.tasks.task import Status

_CONFIRMED = {"$eq": ["$status", Subscription.CONFIRMED]}

OPEN, CLOSED = "OPEN", "CLOSED"


class Subscribers(Repository, collection="subscribers"):
    """The collection ``subscribers``; unconfirmed entries are deleted at ``expires_at``."""

    async def get(self, subscriber_id: str) -> Subscriber | None:
        return _subscriber(await self._collection.find_one({"_id": subscriber_id}))

    async def find_by_address(self, address: str) -> Subscriber | None:
        await self._catch_up()  # "not subscribed" must be true
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


class Newsletters(Repository, collection="newsletters"):
    """The collection ``newsletters``: {_id: ISO week, status, due_at, figures, times}."""

    async def find(self, week: str) -> Document | None:
        return await self._collection.find_one({"_id": week})

    async def open(self, week: str, due: datetime, figures: Document) -> bool:
        """Open a week's issue; False if it exists already."""
        times = {"due_at": due, "closed_at": None}
        document = {"_id": week, "status": OPEN, "figures": figures, **times}
        return not await insert_new(self._collection, [document])

    async def close(self, week: str) -> bool:
        """Close a week: all its e-mails are in the outbox; return whether this call closed it."""
        outcome = await self._collection.update_one(
            {"_id": week, "status": OPEN}, [{"$set": {"status": CLOSED, "closed_at": "$$NOW"}}]
        )
        return outcome.modified_count == 1

    async def figures(self, since: datetime, until: datetime) -> Document:
        """Count the tasks that succeeded in a time span, and the pictures of each operation."""
        span = {"status": Status.SUCCESS, "finished_at": {"$gte": since, "$lt": until}}
        pipeline: list[Document] = [
            {"$match": span},
            {"$unwind": "$operations"},
            # A pipeline that resizes twice counts once.
            {"$group": {"_id": {"task": "$_id", "op": "$operations.op"}}},
            {"$group": {"_id": "$_id.op", "count": {"$sum": 1}}},
            {"$sort": {"count": -1, "_id": 1}},
        ]
        return {
            "tasks": await self._tasks.count_documents(span),
            "operations": [
                {"op": str(row["_id"]), "count": int(row["count"])}
                async for row in self._tasks.aggregate(pipeline)
            ],
        }
