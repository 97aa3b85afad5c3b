"""What is done about what ``models.store.files.consistency`` finds; each step holds while programs work.

Every change is conditional on what was found being so still, and may be done twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError

from models.errors import OriginalGone
from models.store.files.originals import Originals
from models.store.mongo.errors import guarded
from models.store.tasks.leases import failure
from models.store.tasks.release import listing, revived, wasted
from models.tasks.task import OPEN, Status

Document = dict[str, Any]

_LOST = OriginalGone(
    "its result was lost, and so was the picture that was sent; send it again"
).document()


class Repair:
    """Changes of the ledger that make it agree with what is stored."""

    def __init__(
        self, database: AsyncIOMotorDatabase[Document], originals: Originals, grace: float
    ) -> None:
        """``grace``: seconds until files that a task lets go of are deleted."""
        self._database = database
        self._tasks = database["tasks"]
        self._originals = originals
        self._grace = grace

    @guarded
    async def compute_again(self, task_id: str, file_id: ObjectId) -> bool:
        """Set a task back whose result ``file_id`` is bad; FAILURE where its original is gone too.

        The sweep rings for it.
        """
        bad = {"status": Status.SUCCESS, "results": listing(file_id)}
        task = await self._tasks.find_one({"_id": task_id, **bad})
        if task is None:
            return False
        original = await self._original(task)
        if original is None:
            change = failure(_LOST) | {"results": [], "waste": wasted(self._grace)}
        else:
            change = revived(self._grace, "result_damaged") | {
                "original_id": original,
                "rung_at": None,
                "turn": 0,
            }
        answer = await self._tasks.update_one({"_id": task_id, **bad}, [{"$set": change}])
        return answer.modified_count == 1

    @guarded
    async def find_original(self, task_id: str, missing: ObjectId) -> bool:
        """Give an open task the original that its hash names, or FAILURE if there is none."""
        lacking = {"_id": task_id, "original_id": missing, "status": {"$in": list(OPEN)}}
        task = await self._tasks.find_one(lacking)
        if task is None:
            return False
        original = await self._taken(task)
        change = failure(_LOST) if original is None else {"original_id": original}
        answer = await self._tasks.update_one(lacking, [{"$set": change}])
        return answer.modified_count == 1

    async def _original(self, task: Document) -> ObjectId | None:
        if await self._originals.touch(task["original_id"]):
            return ObjectId(task["original_id"])
        return await self._taken(task)

    async def _taken(self, task: Document) -> ObjectId | None:
        return await self._originals.take(task["original_sha256"], task.get("owner") or "")

    @guarded
    async def drop_chunks(self, bucket: str, file_id: object) -> bool:
        """Delete chunks that have no files entry."""
        if await self._database[f"{bucket}.files"].find_one({"_id": file_id}, {"_id": 1}):
            return False
        await self._database[f"{bucket}.chunks"].delete_many({"files_id": file_id})
        return True

    @guarded
    async def drop_name(self, name: str, task_id: str, at: datetime | None) -> bool:
        """Remove a name whose task does not exist, unless it was reserved again meanwhile."""
        if await self._tasks.find_one({"_id": task_id}, {"_id": 1}):
            return False
        query = {"_id": name, "task_id": task_id, "at": at}
        return (await self._database["names"].delete_one(query)).deleted_count == 1

    @guarded
    async def add_name(self, name: str, task_id: str, part: int, at: datetime) -> bool:
        """Reserve a name that a task lists; False if another task has it."""
        try:
            entry = {"_id": name, "task_id": task_id, "part": part, "at": at}
            await self._database["names"].insert_one(entry)
        except DuplicateKeyError:
            return False
        return True
