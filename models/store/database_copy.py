"""Copy a whole database to another MongoDB, while nothing uses either."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorCollection, AsyncIOMotorDatabase

from models.errors import BadSettings
from models.store.mongo.repository import Document, insert_new

_LEFT_OUT = frozenset({"workers", "snapshots"})  # who runs there now
_BATCH_BYTES = 16 << 20  # held in memory at once
_STATE = "state"
_MARK = "copying"


async def copy_database(
    source: AsyncIOMotorDatabase[Document], target: AsyncIOMotorDatabase[Document]
) -> dict[str, int]:
    """Copy all collections; return their numbers of documents.

    After an interruption it can be called again, and goes on.

    Raises:
        BadSettings: ``target`` has data of its own.
    """
    await _mark(target)
    plain: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
    counts = {}
    names = set(await source.list_collection_names()) - _LEFT_OUT
    for name in sorted(names, key=lambda each: (each == _STATE, each)):  # the mark's goes last
        documents: Any = source.get_collection(name, codec_options=plain)
        counts[name] = 0
        async for batch in _batches(documents):
            await insert_new(target[name], batch)  # type: ignore[arg-type]  # a Mapping serves
            counts[name] += len(batch)
    await target[_STATE].delete_one({"_id": _MARK})
    return counts


async def _mark(target: AsyncIOMotorDatabase[Document]) -> None:
    """Mark ``target`` as a copy that is being made.

    Raises:
        BadSettings: it has data and no such mark.
    """
    if await target[_STATE].find_one({"_id": _MARK}) is None:
        if found := await target.list_collection_names():
            raise BadSettings(
                f"the database {target.name} there is not empty: it has the collections "
                f"{', '.join(sorted(found)[:5])}; name another one with --db, or drop it"
            )
        await target[_STATE].insert_one({"_id": _MARK})


async def _batches(
    documents: AsyncIOMotorCollection[RawBSONDocument],
) -> AsyncIterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    size = 0
    async for document in documents.find():
        batch.append(document)
        size += len(document.raw)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
