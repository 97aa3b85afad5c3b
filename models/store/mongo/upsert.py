"""Update or insert, safe against concurrent inserts of the same document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession as Session
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

Document = dict[str, Any]


async def upsert(
    collection: AsyncIOMotorCollection[Document],
    query: Mapping[str, Any],
    change: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    session: Session | None = None,
) -> Document:
    """Return the document of ``query`` after ``change``; ``query`` selects it by a unique field.

    ``session``: of a transaction, which must start again if another inserts it concurrently.

    Raises:
        DuplicateKeyError: the transaction must start again.
    """
    while True:
        try:
            return await collection.find_one_and_update(
                query, change, upsert=True, return_document=ReturnDocument.AFTER, session=session
            )
        except DuplicateKeyError:  # a concurrent insert won: now there is a document to update
            if session is not None:
                raise
