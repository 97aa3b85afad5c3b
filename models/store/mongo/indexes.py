"""All indexes, by collection; one command creates those of a collection when a program starts."""

from __future__ import annotations

from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import DESCENDING, IndexModel

from models.outbox.item import DeliveryStatus
from models.tasks.task import Status

_NEWEST_FIRST = [("created_at", DESCENDING), ("_id", DESCENDING)]
_SIZES = ["format", "most_result_bytes", "work.turns"]
_EXPIRING = IndexModel("expires_at", expireAfterSeconds=0)
_WAITING = {"partialFilterExpression": {"status": str(DeliveryStatus.WAITING)}}
_FILES = [
    # The first is one that drivers create, so that none has to create its own.
    IndexModel(["filename", "uploadDate"]),
    IndexModel("metadata.key", unique=True, sparse=True),
    IndexModel("metadata.task_id", sparse=True),
]
_CHUNKS = [IndexModel(["files_id", "n"], unique=True)]  # drivers create it, too

INDEXES: dict[str, list[IndexModel]] = {
    "tasks": [
        # Results by the name of their upload, for one owner and for views that see everything.
        IndexModel(["owner", "uploads.name", "status", ("finished_at", DESCENDING)]),
        IndexModel(["uploads.name", "status", ("finished_at", DESCENDING)]),
        # What the sweep enqueues again.
        IndexModel(["status", "rung_at"]),
        # The fair queue: in service order and covering, so that 10,000 ids are read in 6 ms. The
        # last fields cover ``FairQueue.open_tasks``.
        IndexModel(["status", "turn", "created_at", "_id", *_SIZES]),
        IndexModel(["client", "status", "turn", *_SIZES]),
        IndexModel(["finished_at", "client"]),
        # The search of the dashboard.
        IndexModel(_NEWEST_FIRST),
        IndexModel(["status", *_NEWEST_FIRST]),
        IndexModel(["operations.op", *_NEWEST_FIRST]),
        IndexModel(["worker", *_NEWEST_FIRST], partialFilterExpression={"worker": {"$gt": ""}}),
        # Holds only waiting tasks, so that it costs little and its first entry is the oldest.
        IndexModel(
            "asked_at",
            name="waiting_since",
            partialFilterExpression={"status": str(Status.CREATED)},
        ),
        IndexModel("started_at"),
        # A week's figures of the newsletter must not scan the whole ledger.
        IndexModel("finished_at", partialFilterExpression={"status": str(Status.SUCCESS)}),
        # The latest of networks, from which their prices are learned, among many others.
        IndexModel(
            [("finished_at", DESCENDING)],
            name="finished_networks",
            partialFilterExpression={"status": str(Status.SUCCESS), "work.networks": True},
        ),
        IndexModel("waste.until", partialFilterExpression={"waste.until": {"$exists": True}}),
        IndexModel(["original_id", "status"]),
        IndexModel("watermark_id", sparse=True),
    ],
    "history": [IndexModel("drop_at", expireAfterSeconds=0)],
    "activity": [IndexModel("drop_at", expireAfterSeconds=0)],
    "originals.files": [
        *_FILES,
        IndexModel("metadata.used_at"),
        IndexModel("metadata.doomed", sparse=True),
    ],
    "results.files": _FILES,
    "intermediates.files": _FILES,
    "originals.chunks": _CHUNKS,
    "results.chunks": _CHUNKS,
    "intermediates.chunks": _CHUNKS,
    "groups": [_EXPIRING],
    "workers": [IndexModel("seen_at", expireAfterSeconds=24 * 3600)],  # silent for longer
    # A scrape shows five minutes of a stopped worker.
    "snapshots": [IndexModel("at", expireAfterSeconds=3600)],
    "mail": [_EXPIRING, IndexModel(["status", "due_at"]), IndexModel("key", unique=True)],
    "webhooks": [
        _EXPIRING,
        IndexModel(["status", "due_at", "host", "client"]),  # hosts and clients may be excluded
        IndexModel("key", unique=True, **_WAITING),
        IndexModel("pending", **_WAITING),
        IndexModel("looked_at", **_WAITING),
        # For ``next_client``: what is due of each client, without reading excluded clients.
        IndexModel(["status", "client", "due_at", "host"]),
        IndexModel(["tasks", ("created_at", DESCENDING)]),
        # Covers ``count_rearmable``: bodies may be large, and none is read.
        IndexModel(["subject", "client", "created_at", "key", "type"]),
        IndexModel(["status", ("created_at", DESCENDING)]),
    ],
    "subscribers": [
        _EXPIRING,
        IndexModel("address", unique=True),
        IndexModel(["status", "_id"]),
    ],
}


async def create_indexes(database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Create the indexes that do not exist."""
    # One after the other: at once they would open a connection each.
    for name, indexes in INDEXES.items():
        await database[name].create_indexes(indexes)
