"""Bytes in GridFS, whole or absent, readable by any GridFS client."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from bson import ObjectId
from gridfs.errors import FileExists
from motor.core import AgnosticBaseCursor
from motor.motor_asyncio import (
    AsyncIOMotorDatabase,
    AsyncIOMotorGridFSBucket,
)

from models.store.mongo.errors import guarded

CHUNK_BYTES = 1024 * 1024
"""Larger than GridFS' default of 255 KiB: a quarter of the documents for the same picture."""

_BATCH = 100  # files deleted at once by age
_READ_AHEAD = 2  # chunks a batch: a slow reader then costs 2 MiB, not the driver's 16


class Source(Protocol):
    """What is stored: read from where it stands to its end."""

    def read(self, size: int = -1, /) -> bytes: ...


class Files:
    """One GridFS bucket: ``originals``, ``results`` or ``intermediates``."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]], bucket: str) -> None:
        self._files = database[f"{bucket}.files"]
        self._chunks = database[f"{bucket}.chunks"]
        self._bucket = AsyncIOMotorGridFSBucket(
            database, bucket_name=bucket, chunk_size_bytes=CHUNK_BYTES
        )

    async def prepare(self) -> None:
        # The same two indexes as the drivers make, so that none of them stops to make its own.
        await self._chunks.create_index([("files_id", 1), ("n", 1)], unique=True)
        await self._files.create_index([("filename", 1), ("uploadDate", 1)])
        await self._files.create_index("metadata.key", unique=True, sparse=True)
        await self._files.create_index("metadata.task_id", sparse=True)

    @guarded
    async def find(self, key: str) -> ObjectId | None:
        """Return the id of the file stored under ``key``."""
        document = await self._files.find_one({"metadata.key": key}, {"_id": 1})
        return document["_id"] if document else None

    @guarded
    async def metadata(self, file_id: ObjectId) -> dict[str, Any]:
        """Return what was stored with a file; empty where it is gone."""
        document = await self._files.find_one({"_id": file_id}, {"metadata": 1})
        return dict(document["metadata"]) if document else {}

    @guarded
    async def count(self) -> int:
        """Return how many files there are, about."""
        return await self._files.estimated_document_count()

    @guarded
    async def put(self, source: Source, filename: str, metadata: dict[str, Any]) -> ObjectId:
        """Store what ``source`` holds and return its id.

        Where the ``key`` in ``metadata`` is stored already, that file's id is returned.
        """
        file_id = ObjectId()
        try:
            await self._bucket.upload_from_stream_with_id(
                file_id, filename, source, metadata=metadata
            )
        except FileExists:  # as GridFS calls any duplicate key
            await self._chunks.delete_many({"files_id": file_id})
            document = await self._files.find_one({"metadata.key": metadata["key"]}, {"_id": 1})
            if document is None:
                raise
            return ObjectId(document["_id"])
        return file_id

    async def read(self, file_id: ObjectId, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes ``start`` to ``stop`` (exclusive), from the chunks they lie in only."""
        if start >= stop:
            return
        first, last = start // CHUNK_BYTES, (stop - 1) // CHUNK_BYTES
        query = {"files_id": file_id, "n": {"$gte": first, "$lte": last}}
        cursor = self._chunks.find(query).sort("n", 1).batch_size(_READ_AHEAD)
        expected = first
        while (chunk := await self._next(cursor)) is not None:
            if chunk["n"] != expected:
                break
            begin = start - expected * CHUNK_BYTES if expected == first else 0
            end = stop - expected * CHUNK_BYTES if expected == last else CHUNK_BYTES
            yield bytes(chunk["data"][begin:end])
            expected += 1
        if expected != last + 1:
            raise LookupError(f"chunk {expected} of file {file_id} is missing")

    @guarded
    async def _next(self, cursor: AgnosticBaseCursor[dict[str, Any]]) -> dict[str, Any] | None:
        return await anext(cursor, None)

    @guarded
    async def save(self, file_id: ObjectId, path: Path) -> None:
        """Write the file to ``path``."""
        document = await self._files.find_one({"_id": file_id}, {"length": 1})
        if document is None:
            raise LookupError(f"file {file_id} is missing")
        with path.open("wb") as target:
            async for data in self.read(file_id, 0, int(document["length"])):
                target.write(data)

    @guarded
    async def flaw(
        self, file_id: ObjectId, length: int | None = None, sha256: str | None = None
    ) -> str | None:
        """Return what is wrong with a stored file, None if nothing.

        ``length``: how long it must be; None: as its entry says. ``sha256``: of its bytes; None:
        its chunks are counted, not read.
        """
        entry = await self._files.find_one({"_id": file_id}, {"length": 1})
        if entry is None:
            return "its files entry is missing"
        stored = int(entry["length"])
        if length is not None and stored != length:
            return f"it has {stored} bytes instead of {length}"
        if sha256 is None:
            count = -(-stored // CHUNK_BYTES)
            found = await self._chunks.count_documents({"files_id": file_id, "n": {"$lt": count}})
            return None if found == count else f"{count - found} of {count} chunks are missing"
        digest = hashlib.sha256()
        try:
            async for data in self.read(file_id, 0, stored):
                digest.update(data)
        except LookupError as error:
            return str(error)
        return None if digest.hexdigest() == sha256 else "its bytes are not those of its SHA-256"

    @guarded
    async def delete(self, file_id: ObjectId) -> None:
        """Delete the file; the entry first, so that nobody finds half of it."""
        await self._files.delete_one({"_id": file_id})
        await self._chunks.delete_many({"files_id": file_id})

    @guarded
    async def delete_older(self, seconds: float) -> int:
        """Delete files stored more than ``seconds`` ago, oldest first, some of them at a time."""
        until = ObjectId.from_datetime(datetime.now(UTC) - timedelta(seconds=seconds))
        old = self._files.find({"_id": {"$lt": until}}, {"_id": 1}).sort("_id", 1).limit(_BATCH)
        gone = [document["_id"] async for document in old]
        for file_id in gone:
            await self.delete(file_id)
        return len(gone)

    @guarded
    async def delete_others(self, task_id: str, token: str, but: Collection[ObjectId] = ()) -> int:
        """Delete what other attempts at a task left, ``but`` those; return how many files."""
        query = {"metadata.task_id": task_id, "metadata.token": {"$ne": token}}
        found = [document["_id"] async for document in self._files.find(query, {"_id": 1})]
        leftovers = [file_id for file_id in found if file_id not in but]
        for file_id in leftovers:
            await self.delete(file_id)
        return len(leftovers)
