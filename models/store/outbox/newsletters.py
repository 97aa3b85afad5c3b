"""The ledger of newsletters: which week is on its way, which is done, and its figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from models.store.mongo.errors import guarded
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

    async def prepare(self) -> None:
        # A week's figures must not cost a walk through the whole ledger.
        await self._tasks.create_index(
            "finished_at", partialFilterExpression={"status": Status.SUCCESS}
        )

    @guarded
    async def find(self, week: str) -> Document | None:
        return await self._newsletters.find_one({"_id": week})

    @guarded
    async def open(self, week: str, due: datetime, figures: Document) -> bool:
        """Begin a week; False if it was begun already."""
        document = {"_id": week, "status": OPEN, "due_at": due, "figures": figures}
        try:
            await self._newsletters.insert_one({**document, "closed_at": None})
        except DuplicateKeyError:
            return False
        return True

    @guarded
    async def close(self, week: str) -> bool:
        """End a week: each subscriber's letter is in the outbox; tell whether this call did."""
        answer = await self._newsletters.update_one(
            {"_id": week, "status": OPEN}, [{"$set": {"status": CLOSED, "closed_at": "$$NOW"}}]
        )
        return answer.modified_count == 1

    @guarded
    async def figures(self, since: datetime, until: datetime) -> Document:
        """Return how many tasks succeeded in a span, and how many pictures each operation made."""
        span = {"status": Status.SUCCESS, "finished_at": {"$gte": since, "$lt": until}}
        counts: list[Document] = [
            {"$match": span},
            {"$unwind": "$operations"},
            # A pipeline that resizes twice made one picture by resizing.
            {"$group": {"_id": {"task": "$_id", "op": "$operations.op"}}},
            {"$group": {"_id": "$_id.op", "count": {"$sum": 1}}},
            {"$sort": {"count": -1, "_id": 1}},
        ]
        return {
            "tasks": await self._tasks.count_documents(span),
            "operations": [
                {"op": str(found["_id"]), "count": int(found["count"])}
                async for found in self._tasks.aggregate(counts)
            ],
        }
