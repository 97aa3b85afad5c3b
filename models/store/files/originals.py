"""The pictures that came in: each stored once, and deleted when nobody has needed it for long.

Whoever is about to make a task of an original first touches it. An original that was touched within
DELETE_GRACE is never deleted, so the task is in the ledger before anybody may delete its original.
Deletion begins with one update that takes the original's key away, unless it was touched meanwhile:
from then on it cannot be found any more, and the same bytes are stored anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from bson import ObjectId
from gridfs.errors import FileExists
from motor.motor_asyncio import AsyncIOMotorDatabase

from models.auth.visibility import scoped
from models.store.files.gridfs import Files, Source
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import now
from models.tasks.task import OPEN

Document = dict[str, Any]

_TOUCH = {"$currentDate": {"metadata.used_at": True}}
_DOOMED = "metadata.doomed"


def key(sha256: str, owner: str) -> str:
    """Return under what an original is kept: each owner's for itself."""
    return scoped(owner, sha256, ":")


def hash_in(key: str) -> str:
    """Return the SHA-256 in such a key."""
    return key.rpartition(":")[2]


class Original(Source, Protocol):
    """An upload that can be read again."""

    def seek(self, offset: int, /) -> int: ...


class Originals(Files):
    """The bucket ``originals``: metadata {key, used_at}, or {doomed, used_at}."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], grace: float) -> None:
        """``grace``: seconds for which a touch protects, whatever the age allowed."""
        super().__init__(database, "originals")
        self._database = database
        self._grace = grace

    async def prepare(self) -> None:
        await super().prepare()
        await self._files.create_index("metadata.used_at")
        await self._files.create_index(_DOOMED, sparse=True)
        await self._database["tasks"].create_index([("original_id", 1), ("status", 1)])

    async def keep(self, source: Original, filename: str, sha256: str, owner: str = "") -> ObjectId:
        """Return the id of the owner's original with that hash, touched; store it if there is none.

        Raises:
            StoreUnavailable: it may not have been stored.
        """
        while True:
            file_id = await self.take(sha256, owner)
            if file_id is not None:
                return file_id
            source.seek(0)
            try:
                file_id = await self.put(source, filename, {"key": key(sha256, owner)})
            except FileExists:  # stored by another just now, and doomed already
                continue
            if await self.touch(file_id):
                return file_id

    @guarded
    async def take(self, sha256: str, owner: str = "") -> ObjectId | None:
        """Touch the owner's original with that hash and return its id; None if there is none."""
        document = await self._files.find_one_and_update(
            {"metadata.key": key(sha256, owner)}, _TOUCH, projection={"_id": 1}
        )
        return document["_id"] if document else None

    @guarded
    async def touch(self, file_id: ObjectId) -> bool:
        """Touch an original; False if it is gone or about to go."""
        query = {"_id": file_id, _DOOMED: {"$exists": False}}
        return (await self._files.update_one(query, _TOUCH)).matched_count == 1

    @guarded
    async def expire(self, seconds: float) -> int:
        """Doom originals untouched for ``seconds`` that no open task needs; return how many."""
        # Those of before there was a date, and those whose writer died before its touch.
        await self._files.update_many(
            {"metadata.used_at": None}, [{"$set": {"metadata.used_at": "$uploadDate"}}]
        )
        limit = await now(self._database) - timedelta(seconds=max(seconds, self._grace))
        old = {"metadata.used_at": {"$lt": limit}, _DOOMED: {"$exists": False}}
        count = 0
        async for document in self._files.find(old, {"_id": 1}).sort("metadata.used_at", 1):
            count += await self.doom(document["_id"], old)
        return count

    @guarded
    async def doom(self, file_id: ObjectId, still: Document) -> bool:
        """Have an original deleted if no open task needs it and ``still`` holds; tell whether."""
        need = {"original_id": file_id, "status": {"$in": list(OPEN)}}
        if await self._database["tasks"].find_one(need, {"_id": 1}) is not None:
            return False
        change = {"$unset": {"metadata.key": ""}, "$set": {_DOOMED: True}}
        answer = await self._files.update_one({**still, "_id": file_id}, change)
        return answer.modified_count == 1

    @guarded
    async def condemn(self, file_id: ObjectId) -> None:
        """Have an original deleted whoever needs it: it is damaged, and must not be found again."""
        change = {"$unset": {"metadata.key": ""}, "$set": {_DOOMED: True}}
        await self._files.update_one({"_id": file_id}, change)

    @guarded
    async def collect(self) -> int:
        """Delete what is doomed; return how many originals that were."""
        count = 0
        async for document in self._files.find({_DOOMED: True}, {"_id": 1}):
            # The entry last: whoever goes on after a crash finds by it what is left.
            await self._chunks.delete_many({"files_id": document["_id"]})
            await self._files.delete_one({"_id": document["_id"]})
            count += 1
        return count
