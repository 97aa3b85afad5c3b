"""Update or insert, whoever else does so at the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession as Session
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

Document = dict[str, Any]


async def upserted(
    collection: AsyncIOMotorCollection[Document],
    query: Mapping[str, Any],
    change: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    session: Session | None = None,
) -> Document:
    """Return the document of ``query`` after ``change``; ``query`` names it by a unique field.

    ``session``: of a transaction, which must begin anew where another inserts it at once.

    Raises:
        DuplicateKeyError: so it must.
    """
    while True:
        try:
            return await collection.find_one_and_update(
                query, change, upsert=True, return_document=ReturnDocument.AFTER, session=session
            )
        except DuplicateKeyError:  # two inserted it at once: now there is one to update
            if session is not None:
                raise
