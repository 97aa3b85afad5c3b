"""Weekly newsletter issues: open or closed, with their figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.upsert import insert_new
from models.tasks.task import Status

Document = dict[str, Any]

OPEN, CLOSED = "OPEN", "CLOSED"


class Newsletters:
    """The collection ``newsletters``: {_id: ISO week, status, due_at, figures, times}."""

    def __init__(
        self, collection: AsyncIOMotorCollection[Document], tasks: AsyncIOMotorCollection[Document]
    ) -> None:
        self._newsletters = collection
        self._tasks = tasks

    def declare_indexes(self, indexes: Indexes) -> None:
        # A week's figures must not scan the whole ledger.
        indexes.add(self._tasks, "finished_at", partialFilterExpression={"status": Status.SUCCESS})

    @translate_errors
    async def find(self, week: str) -> Document | None:
        return await self._newsletters.find_one({"_id": week})

    @translate_errors
    async def open(self, week: str, due: datetime, figures: Document) -> bool:
        """Open a week's issue; False if it exists already."""
        times = {"due_at": due, "closed_at": None}
        document = {"_id": week, "status": OPEN, "figures": figures, **times}
        return not await insert_new(self._newsletters, [document])

    @translate_errors
    async def close(self, week: str) -> bool:
        """Close a week: all its e-mails are in the outbox; return whether this call closed it."""
        outcome = await self._newsletters.update_one(
            {"_id": week, "status": OPEN}, [{"$set": {"status": CLOSED, "closed_at": "$$NOW"}}]
        )
        return outcome.modified_count == 1

    @translate_errors
    async def figures(self, since: datetime, until: datetime) -> Document:
        """Count the tasks that succeeded in a time span, and the pictures of each operation."""
        span = {"status": Status.SUCCESS, "finished_at": {"$gte": since, "$lt": until}}
        pipeline: list[Document] = [
            {"$match": span},
            {"$unwind": "$operations"},
            # A pipeline that resizes twice counts once.
            {"$group": {"_id": {"task": "$_id", "op": "$operations.op"}}},
            {"$group": {"_id": "$_id.op", "count": {"$sum": 1}}},
            {"$sort": {"count": -1, "_id": 1}},
        ]
        return {
            "tasks": await self._tasks.count_documents(span),
            "operations": [
                {"op": str(row["_id"]), "count": int(row["count"])}
                async for row in self._tasks.aggregate(pipeline)
            ],
        }
