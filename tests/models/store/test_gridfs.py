"""GridFS buckets: files whole or absent, readable by any client, and orphan collection."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import gridfs
import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, WriteConcernError

from models.errors import StoreUnavailable
from models.settings import Settings
from models.small_files import SMALL_BYTES
from models.store import Store
from models.store.files.gridfs import CHUNK_BYTES
from models.store.files.retention import OrphanCollector
from tests.models.store.test_leases import TASK, claim_task, create_task, make_result

DATA = bytes(range(256)) * (3 * CHUNK_BYTES // 256) + b"tail"


async def read_all(store: Store, file_id: ObjectId, start: int, stop: int) -> bytes:
    return b"".join([data async for data in store.results.read(file_id, start, stop)])


async def test_any_gridfs_client_reads_a_file(store: Store, settings: Settings) -> None:
    file_id = await store.results.put(io.BytesIO(DATA), "cat.png", {"task_id": "t"})
    client: MongoClient[Any]
    with MongoClient(settings.stores.mongo_url) as client:
        stored = gridfs.GridFS(client[settings.stores.mongo_db], "results").get(file_id)
        assert stored.read() == DATA
        assert stored.filename == "cat.png"


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, len(DATA)),
        (0, 1),
        (len(DATA) - 1, len(DATA)),
        (CHUNK_BYTES - 1, CHUNK_BYTES + 1),
        (CHUNK_BYTES, 2 * CHUNK_BYTES),
        (5, 5),
    ],
)
async def test_read_returns_byte_ranges(store: Store, start: int, stop: int) -> None:
    file_id = await store.results.put(io.BytesIO(DATA), "x", {})
    assert await read_all(store, file_id, start, stop) == DATA[start:stop]


@pytest.mark.parametrize("size", [0, 1, SMALL_BYTES - 1, SMALL_BYTES, CHUNK_BYTES, 5 * CHUNK_BYTES])
async def test_any_size_is_stored(store: Store, tmp_path: Path, size: int) -> None:
    data, target = os.urandom(size), tmp_path / "copy"
    file_id = await store.results.put(io.BytesIO(data), "a.png", {})
    await store.results.download(file_id, target)
    assert target.read_bytes() == data
    counted = await store._database["results.chunks"].count_documents({"files_id": file_id})
    assert counted == -(-size // CHUNK_BYTES)


async def test_missing_chunk_raises_lookup_error(store: Store, settings: Settings) -> None:
    file_id = await store.results.put(io.BytesIO(DATA), "x", {})
    client: MongoClient[Any]
    with MongoClient(settings.stores.mongo_url) as client:
        client[settings.stores.mongo_db]["results.chunks"].delete_one({"files_id": file_id, "n": 1})
    with pytest.raises(LookupError, match="chunk 1"):
        await read_all(store, file_id, 0, len(DATA))
    with pytest.raises(LookupError):
        await read_all(store, ObjectId(), 0, 10)


async def test_one_file_per_key(store: Store, settings: Settings) -> None:
    first = await store.originals.put(io.BytesIO(DATA), "a", {"key": "sha"})
    second = await store.originals.put(io.BytesIO(DATA), "b", {"key": "sha"})
    assert first == second == await store.originals.find("sha")
    assert await store.originals.find("other") is None
    client: MongoClient[Any]
    with MongoClient(settings.stores.mongo_url) as client:
        assert client[settings.stores.mongo_db]["originals.chunks"].count_documents({}) == 4


async def test_download_writes_a_file(store: Store, tmp_path: Path) -> None:
    file_id = await store.originals.put(io.BytesIO(DATA), "a", {})
    await store.originals.download(file_id, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA
    with pytest.raises(LookupError):
        await store.originals.download(ObjectId(), tmp_path / "none")


async def test_files_of_other_attempts_are_deleted(store: Store) -> None:
    mine = await store.results.put(io.BytesIO(b"1"), "x", {"task_id": "t", "token": "me"})
    other = await store.results.put(io.BytesIO(b"2"), "x", {"task_id": "t", "token": "dead"})
    stranger = await store.results.put(io.BytesIO(b"3"), "x", {"task_id": "u", "token": "dead"})
    assert await store.results.delete_others("t", "me") == 1
    assert await read_all(store, mine, 0, 1) == b"1"
    assert await read_all(store, stranger, 0, 1) == b"3"
    with pytest.raises(LookupError):
        await read_all(store, other, 0, 1)


async def test_orphans_are_deleted_and_owned_files_stay(store: Store, settings: Settings) -> None:
    await create_task(store)
    owned = await store.results.put(io.BytesIO(b"good"), "x", {"task_id": TASK, "token": "t"})
    await store.results.put(io.BytesIO(b"dead"), "x", {"task_id": TASK, "token": "dead"})
    original = await store.originals.put(io.BytesIO(b"reused"), "x", {"key": "sha"})
    await claim_task(store, "t")
    await store.leases.finish(TASK, "t", [make_result().model_copy(update={"file_id": owned})])
    client: MongoClient[Any]
    with MongoClient(settings.stores.mongo_url) as client:
        database: Any = client[settings.stores.mongo_db]
        half = {"files_id": ObjectId(), "n": 0, "data": b"half written"}
        database["results.chunks"].insert_one(dict(half))
        database["originals.chunks"].insert_one(dict(half))
        assert await store.orphans.collect() == 0, "nothing is older than an hour"
        assert await orphans(store, settings).collect() == 3
        assert await orphans(store, settings).collect() == 0
        assert database["results.chunks"].count_documents({}) == 1
        assert database["originals.chunks"].count_documents({}) == 1
    assert await read_all(store, owned, 0, 4) == b"good"
    assert await store.originals.find("sha") == original


async def test_orphan_collection_spares_results_of_a_live_attempt(
    store: Store, settings: Settings
) -> None:
    """A machine sleeps for longer than six DELETE_GRACE_SECONDS between storing and publishing."""
    tasks = store._database["tasks"]
    await tasks.insert_one({"_id": "t", "status": "STARTED", "lease": {"token": "mine"}})
    kept = await store.results.put(io.BytesIO(b"1"), "a", {"task_id": "t", "token": "mine"})
    await store.results.put(io.BytesIO(b"2"), "b", {"task_id": "t", "token": "another's"})
    assert await orphans(store, settings).collect() == 1
    assert await store.results.metadata(kept)
    await tasks.update_one({"_id": "t"}, {"$set": {"lease": None, "status": "CREATED"}})
    assert await orphans(store, settings).collect() == 1  # the scan did not pass it
    assert not await store.results.metadata(kept)


def orphans(store: Store, settings: Settings) -> OrphanCollector:
    """Return a collector with a negative grace: what was just written is old already."""

    grace = store._settings.retention.model_copy(update={"delete_grace_seconds": -1})
    return OrphanCollector(store._database, dataclasses.replace(store._settings, retention=grace))


@pytest.mark.parametrize("deletes", [True, False])
async def test_chunks_without_a_majority_are_unavailable_not_a_defect(
    store: Store, monkeypatch: pytest.MonkeyPatch, deletes: bool
) -> None:
    """As of a server that stops; the driver says it of one document in another way."""
    said = "Replication is being shut down"
    concern = {"code": 91, "errmsg": said}
    stopping = BulkWriteError({"writeErrors": [], "writeConcernErrors": [concern]})
    stopped = None if deletes else WriteConcernError(said, 91, concern)
    monkeypatch.setattr(
        store.results,
        "_chunks",
        Mock(
            insert_many=AsyncMock(side_effect=stopping), delete_many=AsyncMock(side_effect=stopped)
        ),
    )
    with pytest.raises(StoreUnavailable):
        await store.results.put(io.BytesIO(DATA), "x", {})
