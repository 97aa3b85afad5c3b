"""Leases of documents: tasks, items of an outbox and periodic locks are all held in this way.

A claim is one update of a document without a valid lease, so of concurrent callers one succeeds. It
writes a token and the time at which the lease ends; every later change by the holder is one update
on that token. MongoDB's clock (``$$NOW``) decides when a lease ends, so clocks of programs may
differ. A dead holder loses its lease at that time. A holder that was only slow changes nothing once
another has claimed the document.
"""

from __future__ import annotations

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument

from models.store.mongo.repository import Document, now_plus


class Lease:
    """How the documents of one collection are leased. Changes are expressions for ``$set``."""

    def __init__(
        self, collection: AsyncIOMotorCollection[Document], *, holder: str, until: str
    ) -> None:
        """``holder`` and ``until``: the fields with the holder's token and the end of its lease.

        A document in which ``until`` is missing or null is free.
        """
        self._collection = collection
        self._holder = holder
        self._until = until

    @property
    def expired(self) -> Document:
        """The query for documents without a valid lease."""
        return {"$expr": {"$lte": [f"${self._until}", "$$NOW"]}}

    def until(self, seconds: float) -> Document:
        """Return the change that lets the lease end in ``seconds``."""
        return {self._until: now_plus(seconds)}

    async def is_any_free(self, query: Document) -> bool:
        """Return whether a document of ``query`` is free.

        A caller that polls asks this first: an update that finds nothing still waits for a majority
        and its journal.
        """
        free = {**query, **self.expired}
        return await self._collection.find_one(free, {"_id": 1}) is not None

    async def claim(
        self,
        query: Document,
        token: str,
        seconds: float,
        change: Document | None = None,
        sort: list[tuple[str, int]] | None = None,
    ) -> Document | None:
        """Lease the first free document of ``query`` for ``seconds``, and make ``change``.

        Returns the document after that; None if none is free.
        """
        return await self._collection.find_one_and_update(
            {**query, **self.expired},
            [{"$set": {**(change or {}), self._holder: token, **self.until(seconds)}}],
            sort=sort,
            return_document=ReturnDocument.AFTER,
        )

    async def update_if_held(self, document_id: str, token: str, change: Document) -> bool:
        """Make ``change`` if ``token`` still holds the lease; return whether it does."""
        outcome = await self._collection.update_one(
            {"_id": document_id, self._holder: token}, [{"$set": change}]
        )
        return outcome.matched_count == 1
