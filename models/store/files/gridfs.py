"""GridFS buckets: a file is whole or absent, and readable by any GridFS client."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase

from models.settings import Settings
from models.small_files import SMALL_BYTES
from models.store.mongo.repository import Document, Repository, insert_new

T = TypeVar("T")

CHUNK_BYTES = 1024 * 1024
"""Larger than GridFS' default of 255 KiB: a quarter of the documents per picture."""

_DELETE_BATCH_FILES = 100  # files that one call deletes by age
_READ_BATCH_CHUNKS = 2  # chunks per batch: a slow reader holds 2 MiB, not the driver's 16
_WRITE_BATCH_CHUNKS = 4  # one insert for most results


class Source(Protocol):
    """Bytes to store, all of them; read more than once if another writer comes in between."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...


class FileBucket(Repository):
    """One GridFS bucket: ``originals``, ``results`` or ``intermediates``."""

    def __init__(
        self, database: AsyncIOMotorDatabase[Document], settings: Settings, bucket: str
    ) -> None:
        super().__init__(database, settings)
        self._files = database[f"{bucket}.files"]
        self._chunks = database[f"{bucket}.chunks"]

    async def find(self, key: str) -> ObjectId | None:
        """Return the id of the file stored under ``key``."""
        document = await self._files.find_one({"metadata.key": key}, {"_id": 1})
        return document["_id"] if document else None

    async def metadata(self, file_id: ObjectId) -> Document:
        """Return the metadata of a file; empty if it does not exist."""
        document = await self._files.find_one({"_id": file_id}, {"metadata": 1})
        return dict(document["metadata"]) if document else {}

    async def put(self, source: Source, filename: str, metadata: Document) -> ObjectId:
        """Store the bytes of ``source`` and return the file's id.

        If a file with the ``key`` in ``metadata`` exists, return its id instead.
        """
        while True:
            source.seek(0)
            file_id = await self._insert(source, filename, metadata)
            found = file_id or await self.find(metadata["key"])
            if found is not None:
                return found

    async def _insert(
        self, source: Source, filename: str, metadata: Document, time_field: str = ""
    ) -> ObjectId | None:
        """Store a file; return its id, None if one with the ``key`` in ``metadata`` exists.

        ``time_field``: of the metadata, that gets the server's time. The driver's GridFS goes by
        this machine's clock, and asks before each file whether its indexes exist.
        """
        file_id = _id_at(await self._now())
        entry: Document = {"_id": file_id, "filename": filename, "chunkSize": CHUNK_BYTES}
        try:
            entry["length"] = await self._insert_chunks(file_id, source)
        except Exception:
            await self._chunks.delete_many({"files_id": file_id})
            raise
        # Where this fails or is cancelled MongoDB may have the entry: its chunks stay.
        now = await self._now()
        times = {time_field: now} if time_field else {}
        entry |= {"uploadDate": now, "metadata": {**metadata, **times}}
        if await insert_new(self._files, [entry]):
            await self._chunks.delete_many({"files_id": file_id})
            return None
        return file_id

    async def _insert_chunks(self, file_id: ObjectId, source: Source) -> int:
        """Store what ``source`` has; return its bytes."""
        length = count = 0
        while parts := await _next_chunks(source):
            await self._chunks.insert_many(
                {"files_id": file_id, "n": n, "data": part} for n, part in enumerate(parts, count)
            )
            length, count = length + sum(map(len, parts)), count + len(parts)
            if length < count * CHUNK_BYTES:  # the last chunk: no thread to read nothing
                break
        return length

    async def read(self, file_id: ObjectId, start: int, stop: int) -> AsyncGenerator[bytes]:
        """Yield the bytes ``start`` to ``stop`` (exclusive), reading only their chunks."""
        if start >= stop:
            return
        first, last = start // CHUNK_BYTES, (stop - 1) // CHUNK_BYTES
        query = {"files_id": file_id, "n": {"$gte": first, "$lte": last}}
        # With the limit MongoDB closes the cursor with the last one.
        cursor = self._chunks.find(query, limit=last + 1 - first, batch_size=_READ_BATCH_CHUNKS)
        cursor.sort("n", 1)
        expected = first
        async for chunk in cursor:
            if chunk["n"] != expected:
                break
            begin = start - expected * CHUNK_BYTES if expected == first else 0
            end = stop - expected * CHUNK_BYTES if expected == last else CHUNK_BYTES
            yield bytes(chunk["data"][begin:end])
            expected += 1
        if expected != last + 1:
            raise LookupError(f"chunk {expected} of file {file_id} is missing")

    async def download(self, file_id: ObjectId, path: Path) -> None:
        """Write the file to ``path``.

        A last chunk that is not full tells the end: most files need no look at their entry.
        """
        cursor = self._chunks.find({"files_id": file_id}, batch_size=_READ_BATCH_CHUNKS)
        count, last_bytes = 0, CHUNK_BYTES
        with path.open("wb") as target:
            async for chunk in cursor.sort("n", 1):
                if chunk["n"] != count or last_bytes != CHUNK_BYTES:
                    raise LookupError(f"chunk {count} of file {file_id} is missing")
                target.write(chunk["data"])
                count, last_bytes = count + 1, len(chunk["data"])
        if last_bytes == CHUNK_BYTES:
            entry = await self._files.find_one({"_id": file_id}, {"length": 1})
            if entry is None or entry["length"] != count * CHUNK_BYTES:
                raise LookupError(f"chunk {count} of file {file_id} is missing")

    async def find_damage(
        self, file_id: ObjectId, length: int | None = None, sha256: str | None = None
    ) -> str | None:
        """Describe the damage of a stored file; None if it is sound.

        ``length``: the expected bytes; None: that of its entry. ``sha256``: the expected hash;
        None: chunks are counted, not read.
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
        return None if digest.hexdigest() == sha256 else "its bytes do not match its SHA-256"

    async def delete(self, file_id: ObjectId) -> bool:
        """Delete a file; the entry first, so that no reader finds half of it. False: it is gone."""
        entry = await self._files.delete_one({"_id": file_id})
        await self._chunks.delete_many({"files_id": file_id})
        return entry.deleted_count == 1

    async def delete_older(self, seconds: float) -> int:
        """Delete a batch of the oldest files older than ``seconds``; return their number."""
        until = ObjectId.from_datetime(await self._server_now() - timedelta(seconds=seconds))
        old = (
            self._files.find({"_id": {"$lt": until}}, {"_id": 1})
            .sort("_id", 1)
            .limit(_DELETE_BATCH_FILES)
        )
        file_ids = [document["_id"] async for document in old]
        for file_id in file_ids:
            await self.delete(file_id)
        return len(file_ids)

    async def delete_others(self, task_id: str, token: str, keep: Collection[ObjectId] = ()) -> int:
        """Delete files of other attempts at a task except ``keep``; return their number."""
        query = {"metadata.task_id": task_id, "metadata.token": {"$ne": token}}
        found = [document["_id"] async for document in self._files.find(query, {"_id": 1})]
        leftovers = [file_id for file_id in found if file_id not in keep]
        for file_id in leftovers:
            await self.delete(file_id)
        return len(leftovers)


async def _next_chunks(source: Source) -> list[bytes]:
    """Return the next chunks of ``source``, at most _WRITE_BATCH_CHUNKS; none at its end."""
    begin = source.read(SMALL_BYTES)
    if len(begin) < SMALL_BYTES:
        return [begin] if begin else []
    return await _to_its_end(asyncio.to_thread(_read_chunks, source, begin))


def _read_chunks(source: Source, begin: bytes) -> list[bytes]:
    first = begin + source.read(CHUNK_BYTES - len(begin))
    others = (source.read(CHUNK_BYTES) for _ in range(_WRITE_BATCH_CHUNKS - 1))
    return [first, *(chunk for chunk in others if chunk)]


def _id_at(moment: datetime) -> ObjectId:
    """Return a new id with that time: housekeeping tells by it how old a file is."""
    return ObjectId(ObjectId.from_datetime(moment).binary[:4] + ObjectId().binary[4:])


async def _to_its_end(reading: Awaitable[T]) -> T:
    """Await ``reading`` also when cancelled: a thread reads the source until then.

    The next attempt, or what follows, reads the same source.
    """
    task = asyncio.ensure_future(reading)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # it is of no interest any more
        raise
