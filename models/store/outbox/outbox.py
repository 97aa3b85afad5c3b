"""A generic outbox: an item waits in it until its receiver has accepted it.

An item is leased, see ``models.store.mongo.lease``: if its holder dies, another worker claims it.
``due_at`` is also the end of the lease, so one index finds all due items.

A lease expires when its holder dies, but also when MongoDB is unreachable for longer. So a fault is
counted only for a holder that had begun work that may kill it, and a holder that turns out to be
alive takes its fault back.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING

from models.outbox.item import DeliveryStatus, OutboxItem
from models.settings import Settings
from models.store.mongo.lease import Lease
from models.store.mongo.repository import Document, Repository, now_plus

Item = TypeVar("Item", bound=OutboxItem)


class Outbox(Repository, Generic[Item]):
    """A collection of outbox items, for their senders."""

    keep_seconds: ClassVar[float]
    """How long an item is kept after it was sent or failed."""

    def __init__(
        self, database: AsyncIOMotorDatabase[Document], settings: Settings, model: type[Item]
    ) -> None:
        super().__init__(database, settings)
        self._model = model
        self._lease = Lease(self._collection, holder="lease.token", until="due_at")
        self._due = {"status": DeliveryStatus.CREATED, **self._lease.expired}

    async def claim(
        self, token: str, seconds: float, conditions: Document | None = None
    ) -> Item | None:
        """Lease the item that has been due longest; None if none is due.

        ``conditions``: further conditions on the item.
        If its last holder had begun and its lease expired, its faults grow by one, and ``missed``
        gets the token of that holder.
        """
        holder_died = {"$eq": ["$lease.begun", True]}
        missed = {"$cond": [holder_died, ["$lease.token"], []]}
        change = {
            "attempts": {"$add": ["$attempts", 1]},
            "faults": {"$add": ["$faults", {"$cond": [holder_died, 1, 0]}]},
            "missed": {"$concatArrays": [{"$ifNull": ["$missed", []]}, missed]},
            "claimed_at": "$$NOW",
            "lease.begun": False,
        }
        longest_due = [("due_at", ASCENDING)]
        query = {**self._due, **(conditions or {})}
        if not await self._lease.is_any_free(query):
            return None
        document = await self._lease.claim(query, token, seconds, change, longest_due)
        return self._model.model_validate(document) if document else None

    async def _update_if_held(
        self, item: Item, change: Document, *, undo_fault: bool = True
    ) -> bool:
        """Change an item if its token still holds the lease.

        If not, and ``undo_fault``, take back the fault counted for this holder's presumed death.
        """
        if await self._lease.update_if_held(item.id, item.token, change):
            return True
        if undo_fault:
            await self._collection.update_one(
                {"_id": item.id, "missed": item.token},
                {"$inc": {"faults": -1}, "$pull": {"missed": item.token}},
            )
        return False

    async def begin(self, item: Item) -> bool:
        """Record that an expired lease now means a dead holder; False if it is lost or has ended.

        The next step may kill a worker: it builds the message and sends it.
        """
        return await self._update_if_held(item, {"lease.begun": True})

    async def extend(self, item: Item, seconds: float) -> bool:
        return await self._update_if_held(item, self._lease.until(seconds))

    async def postpone(self, item: Item, seconds: float) -> bool:
        """Return an item to the outbox: its subject does not exist yet, or the worker stops."""
        return await self._update_if_held(item, {"lease": None, "due_at": now_plus(seconds)})

    async def retry(self, item: Item, seconds: float, error: str, *, fault: bool) -> bool:
        """Return an item after a failure; ``fault``: the item caused it, not its receiver."""
        change = {
            "lease": None,
            "due_at": now_plus(seconds),
            "troubled_at": {"$ifNull": ["$troubled_at", "$$NOW"]},
            "error": {"$literal": error},
            "troubles": {"$add": ["$troubles", 1]},
            "faults": {"$add": ["$faults", int(fault)]},
            **self._attempt_change(item),
        }
        return await self._update_if_held(item, change, undo_fault=not fault)

    async def mark_sent(self, item: Item) -> None:
        """Record that an item was sent, even if another holds it: it must not be sent again."""
        await self._collection.update_one(
            {"_id": item.id, "status": {"$ne": DeliveryStatus.SENT}},
            [
                {
                    "$set": {
                        **self._ended_change(DeliveryStatus.SENT),
                        "error": None,
                        **self._attempt_change(item),
                    }
                }
            ],
        )

    async def fail(self, item: Item, error: str) -> bool:
        failed = self._ended_change(DeliveryStatus.FAILED)
        change = {**failed, "error": {"$literal": error}, **self._attempt_change(item)}
        return await self._update_if_held(item, change)

    def _attempt_change(self, item: Item) -> Document:
        """Return further changes for the end of an attempt."""
        return {}

    def _ended_change(self, status: DeliveryStatus) -> Document:
        expiry = now_plus(self.keep_seconds)
        return {"status": status, "lease": None, "ended_at": "$$NOW", "expires_at": expiry}
