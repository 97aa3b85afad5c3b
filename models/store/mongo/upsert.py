"""Update or insert, safe against concurrent inserts of the same document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

Document = dict[str, Any]


async def upsert(
    collection: AsyncIOMotorCollection[Document],
    query: Mapping[str, Any],
    change: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> Document:
    """Return the document of ``query`` after ``change``; ``query`` selects it by a unique field."""
    while True:
        try:
            return await collection.find_one_and_update(
                query, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            continue  # a concurrent insert won: now there is a document to update
