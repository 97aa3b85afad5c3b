"""Results whose time is up, or whose last name was deleted: the bytes go, the history stays.

Each step is one conditional update of a task, or may be done twice: a housekeeper may be killed
anywhere, and two of them do no more than one.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from models.store.files.gridfs import Files
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import now
from models.store.tasks.release import freed
from models.tasks.task import Status, Task

Document = dict[str, Any]

_MARK = "retention"
_STEP = 200  # tasks after which the walk is remembered
_OVERLAP = timedelta(minutes=1)  # walked again: what finished at the mark may have come late


class Retention:
    """Frees results; their files are deleted ``grace`` seconds later."""

    def __init__(
        self, database: AsyncIOMotorDatabase[Document], results: Files, grace: float
    ) -> None:
        self._database = database
        self._tasks = database["tasks"]
        self._state = database["state"]
        self._results = results
        self._grace = grace

    async def prepare(self) -> None:
        await self._tasks.create_index(
            "waste.until", partialFilterExpression={"waste.until": {"$exists": True}}
        )

    @guarded
    async def expire(self, seconds: float) -> int:
        """Free the results of tasks that ended more than ``seconds`` ago; return how many tasks.

        The walk goes by the time of ending and remembers how far it came.
        """
        limit = await now(self._database) - timedelta(seconds=seconds)
        query: Document = {"status": Status.SUCCESS, "finished_at": {"$lt": limit}}
        known = await self._state.find_one({"_id": _MARK})
        if known is not None:
            query["finished_at"]["$gte"] = known["mark"] - _OVERLAP
        change = [{"$set": freed(self._grace, "expired")}]
        count = seen = 0
        cursor = self._tasks.find(query, {"finished_at": 1, "results": 1}).sort("finished_at", 1)
        async for document in cursor:
            if any(not result.get("gone") for result in document["results"]):
                same = {k: document[k] for k in ("_id", "finished_at")} | {"status": Status.SUCCESS}
                count += (await self._tasks.update_one(same, change)).modified_count
            seen += 1
            if seen % _STEP == 0:
                await self._remember(document["finished_at"])
        await self._remember(limit)
        return count

    async def _remember(self, mark: datetime) -> None:
        # Back, too: the clock may have been set, or RESULT_TTL made longer.
        with contextlib.suppress(DuplicateKeyError):  # two first ones at once: either will do
            await self._state.update_one({"_id": _MARK}, {"$set": {"mark": mark}}, upsert=True)

    @guarded
    async def forget(
        self, task_id: str, name: str, part: int, sha256: str | None = None
    ) -> Task | None:
        """Delete a result's name, and free the result if that was the last it had.

        ``sha256``: only if the result is that. Returns the task as it is then; None if it has not
        SUCCESS, the name is deleted already, or the result is another.
        """
        query: Document = {
            "_id": task_id,
            "status": Status.SUCCESS,
            "deleted.name": {"$ne": name},
            f"results.{part}": {"$exists": True},
        }
        if sha256 is not None:
            query |= {f"results.{part}.sha256": sha256, f"results.{part}.gone": None}
        gone = {"$concatArrays": ["$deleted", [{"name": {"$literal": name}, "at": "$$NOW"}]]}
        of_part = {"$arrayElemAt": ["$$each", part]}
        names = {"$map": {"input": "$uploads.results", "as": "each", "in": of_part}}
        left = {"$setDifference": [names, "$deleted.name"]}
        mine = {"$eq": ["$$each.file_id", {"$arrayElemAt": ["$results.file_id", part]}]}
        last = {"$and": [{"$eq": [{"$size": left}, 0]}, mine]}
        document = await self._tasks.find_one_and_update(
            query,
            [
                {"$set": {"deleted": {"$ifNull": ["$deleted", []]}}},
                {"$set": {"deleted": gone}},
                {"$set": freed(self._grace, "deleted", last)},
            ],
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    @guarded
    async def collect(self) -> int:
        """Delete files that tasks let go of long enough ago; return how many."""
        limit = await now(self._database)
        count = 0
        async for document in self._tasks.find({"waste.until": {"$lt": limit}}, {"waste": 1}):
            due = [each["file_id"] for each in document["waste"] if each["until"] < limit]
            for file_id in due:
                await self._results.delete(file_id)
            # Only now: whoever goes on after a crash finds here what is left.
            await self._tasks.update_one(
                {"_id": document["_id"]}, {"$pull": {"waste": {"file_id": {"$in": due}}}}
            )
            count += len(due)
        return count
