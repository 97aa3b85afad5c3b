"""Finish tasks without a worker, and age documents without waiting."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from models.store import Store
from models.store.files.consistency import Finding
from models.tasks.task import Result, Task, Upload

LONG_AGO = datetime.now(UTC) - timedelta(days=365)
RESULT = b"result " * 30


async def create(store: Store, number: int, **fields: Any) -> str:
    """Create a task of an upload ``a.jpg`` without files; return its id."""
    fingerprint = f"{number}" * 64
    assert await store.tasks.create(
        fingerprint,
        original_id=ObjectId(),
        original_sha256="0" * 64,
        upload=Upload(name="a.jpg", results=["a.jpg"]),
        operations=[],
        output="jpeg",
        **fields,
    )
    return fingerprint[:32]


async def finish(store: Store, task_id: str, *parts: bytes) -> Task:
    """Claim and finish a task as a worker does; ``parts`` are the bytes of its results."""
    claim: Any = {"worker": "w", "token": "t", "seconds": 60, "max_attempts": 3}
    assert await store.leases.claim(task_id, **claim)
    results = []
    for data in parts or (RESULT,):
        digest = hashlib.sha256(data).hexdigest()
        metadata = {"task_id": task_id, "token": "t", "sha256": digest}
        file_id = await store.results.put(io.BytesIO(data), "x", metadata)
        size = {"width": 1, "height": 1, "bytes": len(data)}
        results.append(Result(file_id=file_id, format="png", sha256=digest, **size))
    assert await store.leases.finish(task_id, "t", results)
    return await got(store, task_id)


async def allow(_: str) -> bool:
    """Allow every webhook of a restarted task: see ``WebhookOutbox.rearm``."""
    return True


async def got(store: Store, task_id: str) -> Task:
    task = await store.tasks.get(task_id)
    assert task is not None
    return task


async def age(store: Store) -> None:
    """Move all ends of tasks, uses of originals and grace periods a year back."""
    database = store._database
    await database["state"].delete_one({"_id": "retention"})  # the walk has come farther than that
    await database["tasks"].update_many(
        {"finished_at": {"$ne": None}}, {"$set": {"finished_at": LONG_AGO}}
    )
    await database["tasks"].update_many(
        {"waste.0": {"$exists": True}}, {"$set": {"waste.$[].until": LONG_AGO}}
    )
    await database["originals.files"].update_many({}, {"$set": {"metadata.used_at": LONG_AGO}})
    await database["names"].update_many({}, {"$set": {"at": LONG_AGO}})


async def stored(store: Store, bucket: str) -> tuple[int, int]:
    """Return how many files a bucket has, and how many chunks."""
    database: Any = store._database
    return (
        await database[f"{bucket}.files"].count_documents({}),
        await database[f"{bucket}.chunks"].count_documents({}),
    )


def walk(store: Store, *, fast: bool = False) -> AsyncIterator[Finding]:
    """Yield the findings of the consistency check, recent documents included."""
    check = store.check(fast=fast)
    check._min_age = -timedelta(days=1)
    return check.findings()


async def findings(store: Store, *, fast: bool = False) -> list[Finding]:
    return [finding async for finding in walk(store, fast=fast)]
