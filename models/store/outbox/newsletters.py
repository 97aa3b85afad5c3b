"""Weekly newsletter issues: open or closed, with their figures."""

from __future__ import annotations

from datetime import datetime

from models.store.mongo.repository import Document, Repository
from models.store.mongo.upsert import insert_new
from models.tasks.task import Status

OPEN, CLOSED = "OPEN", "CLOSED"


class Newsletters(Repository, collection="newsletters"):
    """The collection ``newsletters``: {_id: ISO week, status, due_at, figures, times}."""

    async def find(self, week: str) -> Document | None:
        return await self._collection.find_one({"_id": week})

    async def open(self, week: str, due: datetime, figures: Document) -> bool:
        """Open a week's issue; False if it exists already."""
        times = {"due_at": due, "closed_at": None}
        document = {"_id": week, "status": OPEN, "figures": figures, **times}
        return not await insert_new(self._collection, [document])

    async def close(self, week: str) -> bool:
        """Close a week: all its e-mails are in the outbox; return whether this call closed it."""
        outcome = await self._collection.update_one(
            {"_id": week, "status": OPEN}, [{"$set": {"status": CLOSED, "closed_at": "$$NOW"}}]
        )
        return outcome.modified_count == 1

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
