"""An outbox: what is in it waits until its receiver has taken it.

A parcel is claimed under a lease by MongoDB's own clock, as tasks are: whoever dies holding one
loses it to another worker. ``due_at`` moves with the lease, so one index finds all that is due.

A lease runs out when its holder died, but also when this store was away for longer. So a fault is
counted only for a holder that had begun with what may kill it, and one that speaks up after all
takes its own back.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, ReturnDocument

from models.outbox.item import Mailing, Parcel
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after

Document = dict[str, Any]
P = TypeVar("P", bound=Parcel)

DUE: Document = {"status": Mailing.CREATED, "$expr": {"$lte": ["$due_at", "$$NOW"]}}
"""What is to be sent now."""


class Outbox(Generic[P]):
    """A collection of parcels as those who send them see it."""

    _claimed_by: tuple[str, ...] = ("status", "due_at")
    """Fields of the index that finds what is due."""

    def __init__(self, collection: AsyncIOMotorCollection[Document], model: type[P]) -> None:
        self._parcels = collection
        self._model = model

    async def prepare(self) -> None:
        await self._parcels.create_index([(field, ASCENDING) for field in self._claimed_by])
        await self._parcels.create_index("expires_at", expireAfterSeconds=0)

    @guarded
    async def claim(self, token: str, seconds: float, but: Document | None = None) -> P | None:
        """Take the parcel that is due longest; None if none is.

        ``but``: conditions it must meet besides.
        One whose last holder had begun and fell silent has a fault more; ``missed`` says whose.
        """
        died = {"$eq": ["$lease.begun", True]}
        missed = {"$ifNull": ["$missed", []]}
        document = await self._parcels.find_one_and_update(
            {**DUE, **(but or {})},
            [
                {
                    "$set": {
                        "attempts": {"$add": ["$attempts", 1]},
                        "faults": {"$add": ["$faults", {"$cond": [died, 1, 0]}]},
                        "missed": {
                            "$concatArrays": [missed, {"$cond": [died, ["$lease.token"], []]}]
                        },
                        "claimed_at": "$$NOW",
                        "lease": {"token": token, "until": after(seconds), "begun": False},
                        "due_at": after(seconds),
                    }
                }
            ],
            sort=[("due_at", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return self._model.model_validate(document) if document else None

    async def _held(self, parcel: P, change: Document, *, sound: bool = True) -> bool:
        """Change a parcel if its token still holds it.

        If not, and its holder is ``sound``, the fault that was counted as its death is taken back.
        """
        answer = await self._parcels.update_one(
            {"_id": parcel.id, "status": Mailing.CREATED, "lease.token": parcel.token},
            [{"$set": change}],
        )
        if answer.matched_count == 1:
            return True
        if sound:
            await self._parcels.update_one(
                {"_id": parcel.id, "missed": parcel.token},
                {"$inc": {"faults": -1}, "$pull": {"missed": parcel.token}},
            )
        return False

    @guarded
    async def begin(self, parcel: P) -> bool:
        """Note that from now on a silent holder is a dead one; False if it is another's, or ended.

        What comes next may kill a worker: it makes what is sent, and sends it.
        """
        return await self._held(parcel, {"lease": {"begun": True}})

    @guarded
    async def extend(self, parcel: P, seconds: float) -> bool:
        until = after(seconds)
        return await self._held(parcel, {"lease": {"until": until}, "due_at": until})

    @guarded
    async def postpone(self, parcel: P, seconds: float) -> bool:
        """Give it back: what it is about is not there yet, or its worker stops."""
        return await self._held(parcel, {"lease": None, "due_at": after(seconds)})

    @guarded
    async def retry(self, parcel: P, seconds: float, error: str, *, fault: bool) -> bool:
        """Give it back after trouble; ``fault``: with the parcel itself, not with its receiver."""
        change = {
            "lease": None,
            "due_at": after(seconds),
            "troubled_at": {"$ifNull": ["$troubled_at", "$$NOW"]},
            "error": {"$literal": error},
            "troubles": {"$add": ["$troubles", 1]},
            "faults": {"$add": ["$faults", int(fault)]},
            **self._more(parcel),
        }
        return await self._held(parcel, change, sound=not fault)

    @guarded
    async def sent(self, parcel: P, keep: float) -> None:
        """Record that it was sent, whoever holds it by now: it must not go once more."""
        await self._parcels.update_one(
            {"_id": parcel.id, "status": {"$ne": Mailing.SENT}},
            [{"$set": {**_ended(Mailing.SENT, keep), "error": None, **self._more(parcel)}}],
        )

    @guarded
    async def fail(self, parcel: P, error: str, keep: float) -> bool:
        failed = _ended(Mailing.FAILED, keep)
        change = {**failed, "error": {"$literal": error}, **self._more(parcel)}
        return await self._held(parcel, change)

    def _more(self, parcel: P) -> Document:
        """Return what else changes with the end of an attempt."""
        return {}


def _ended(status: Mailing, keep: float) -> Document:
    return {"status": status, "lease": None, "ended_at": "$$NOW", "expires_at": after(keep)}
