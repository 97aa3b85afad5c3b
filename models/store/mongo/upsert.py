"""Upserts and inserts, safe against concurrent inserts of the same document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from models.store.mongo.repository import Document

_DUPLICATE_KEY_CODE = 11000  # MongoDB's error code DuplicateKey


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


async def insert_timed(
    collection: AsyncIOMotorCollection[Document], document: Document, times: Document
) -> bool:
    """Insert ``document`` with ``times`` unless its id or another unique field exists already.

    ``times``: expressions of the server's time, ``created_at`` among them. Returns whether this
    call inserted it.
    """
    try:  # an update, since only updates can use the server's time; no document lacks created_at
        await collection.update_one(
            {"_id": document["_id"], "created_at": None},
            [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, times]}}],
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return True


async def insert_new(
    collection: AsyncIOMotorCollection[Document], documents: Sequence[Document]
) -> set[int]:
    """Insert the documents whose unique fields are new; return the indexes of the others."""
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = error.details or {}
        refused = details.get("writeErrors", [])
        if details.get("writeConcernErrors") or any(
            each["code"] != _DUPLICATE_KEY_CODE for each in refused
        ):
            raise
        return {int(each["index"]) for each in refused}
    return set()
