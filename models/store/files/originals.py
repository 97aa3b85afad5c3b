"""Uploaded originals: each stored once, and deleted when unused for long.

Pictures of watermarks are stored among them, by the same rules.

A caller touches an original before it creates a task for it. An original touched within
DELETE_GRACE_SECONDS is never deleted, so the task is in the ledger before its original may be
deleted. Deletion begins with one update that removes the original's key, unless it was touched
meanwhile: from then on it cannot be found, and the same bytes are stored again.
"""

from __future__ import annotations

from datetime import timedelta

from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorDatabase

from models.auth.visibility import scoped
from models.settings import Settings
from models.store.files.gridfs import FileBucket, Source
from models.store.mongo.repository import Document
from models.tasks.task import OPEN, Task

_TOUCH = {"$currentDate": {"metadata.used_at": True}}
_DOOMED_FIELD = "metadata.doomed"
_DOOM = {"$unset": {"metadata.key": ""}, "$set": {_DOOMED_FIELD: True}}


def original_key(sha256: str, owner: str) -> str:
    """Return the key of an original; owners do not share originals."""
    return scoped(owner, sha256, ":")


def sha256_in_key(key: str) -> str:
    """Return the SHA-256 in a key of ``original_key``."""
    return key.rpartition(":")[2]


def used_by(file_id: ObjectId) -> Document:
    """Return the query of the tasks that need the file, as original or to lay it over theirs."""
    return {"$or": [{"original_id": file_id}, {"watermark_id": file_id}]}


class Originals(FileBucket):
    """The bucket ``originals``: metadata {key, used_at}, or {doomed, used_at}."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings, "originals")

    async def find_or_store(
        self,
        source: Source,
        filename: str,
        sha256: str,
        owner: str = "",
        *,
        probably_new: bool = False,
    ) -> ObjectId:
        """Touch the owner's original with that hash, or store it; return its id.

        ``probably_new``: store it without looking for it first.

        Raises:
            StoreUnavailable: it may not be stored.
        """
        metadata = {"key": original_key(sha256, owner)}
        while True:
            file_id = None if probably_new else await self.touch_by_hash(sha256, owner)
            probably_new = False
            if file_id is None:
                source.seek(0)
                file_id = await self._insert(source, filename, metadata, "used_at")
            if file_id is not None:  # else it was stored concurrently
                return file_id

    async def find_with_task(
        self, task_id: str, sha256: str, owner: str
    ) -> tuple[Task | None, bool]:
        """Return the task, and whether the owner's original is stored: one question for both."""
        original: list[Document] = [
            {"$match": {"metadata.key": original_key(sha256, owner)}},
            {"$project": {"_id": 0, "stored": "$_id"}},
        ]
        stage = {"$unionWith": {"coll": "originals.files", "pipeline": original}}
        found = await self._tasks.aggregate([{"$match": {"_id": task_id}}, stage]).to_list(2)
        tasks = [Task.model_validate(each) for each in found if "stored" not in each]
        return (tasks[0] if tasks else None), any("stored" in each for each in found)

    async def touch_by_hash(self, sha256: str, owner: str = "") -> ObjectId | None:
        """Touch the owner's original with that hash; return its id, None if it does not exist."""
        document = await self._files.find_one_and_update(
            {"metadata.key": original_key(sha256, owner)}, _TOUCH, projection={"_id": 1}
        )
        return document["_id"] if document else None

    async def size(self, file_id: ObjectId) -> int | None:
        """Return the bytes of an original; None if it is deleted or marked for deletion."""
        query = {"_id": file_id, _DOOMED_FIELD: {"$exists": False}}
        document = await self._files.find_one(query, {"length": 1})
        return int(document["length"]) if document else None

    async def touch(self, file_id: ObjectId) -> bool:
        """Touch an original; False if it is deleted or marked for deletion."""
        query = {"_id": file_id, _DOOMED_FIELD: {"$exists": False}}
        return (await self._files.update_one(query, _TOUCH)).matched_count == 1

    async def expire(self, seconds: float) -> int:
        """Mark originals untouched for ``seconds`` that no open task needs; return their number."""
        # Originals of versions without the date, or whose writer died before the touch.
        await self._files.update_many(
            {"metadata.used_at": None}, [{"$set": {"metadata.used_at": "$uploadDate"}}]
        )
        kept = max(seconds, self._settings.retention.delete_grace_seconds)
        before = await self._server_now() - timedelta(seconds=kept)
        old = {"metadata.used_at": {"$lt": before}, _DOOMED_FIELD: {"$exists": False}}
        count = 0
        async for document in self._files.find(old, {"_id": 1}).sort("metadata.used_at", 1):
            count += await self.mark_for_deletion(document["_id"], old)
        return count

    async def mark_for_deletion(self, file_id: ObjectId, condition: Document) -> bool:
        """Mark an original if ``condition`` matches and no open task needs it; return whether."""
        needed = {**used_by(file_id), "status": {"$in": list(OPEN)}}
        if await self._tasks.find_one(needed, {"_id": 1}) is not None:
            return False
        outcome = await self._files.update_one({**condition, "_id": file_id}, _DOOM)
        return outcome.modified_count == 1

    async def mark_damaged(self, file_id: ObjectId) -> bool:
        """Mark a damaged original for deletion, even if tasks need it: it must not be reused."""
        return (await self._files.update_one({"_id": file_id}, _DOOM)).matched_count == 1

    async def delete_marked(self) -> int:
        """Delete the originals marked for deletion; return their number."""
        count = 0
        async for document in self._files.find({_DOOMED_FIELD: True}, {"_id": 1}):
            # The entry last: after a crash the next call finds the rest by it.
            await self._chunks.delete_many({"files_id": document["_id"]})
            await self._files.delete_one({"_id": document["_id"]})
            count += 1
        return count
