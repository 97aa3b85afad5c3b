"""Repairs for the findings of ``models.store.files.consistency``, safe while programs run.

Every change is conditional on the finding still being true, and may be done twice.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from bson import ObjectId

from models.errors import OriginalGone
from models.store.files.originals import Originals, used_by
from models.store.mongo.repository import Document, Repository, insert_new
from models.store.tasks.transitions import failed, lists_file, released_files, restart
from models.tasks.task import OPEN, Status

_RESULT_LOST = OriginalGone(
    "the result and the uploaded picture were lost; send the picture again"
).document()


class Repair(Repository):
    """Changes that make the ledger agree with the stored files."""

    @cached_property
    def _originals(self) -> Originals:
        return Originals(self._database, self._settings)

    async def recompute(self, task_id: str, file_id: ObjectId) -> bool:
        """Restart a task whose result ``file_id`` is damaged; FAILURE if its original is gone, too.

        The sweep enqueues it.
        """
        damaged = {"status": Status.SUCCESS, "results": lists_file(file_id)}
        task = await self._tasks.find_one({"_id": task_id, **damaged})
        if task is None:
            return False
        found = await self._find_originals(task)
        if found is None:
            change = failed(_RESULT_LOST) | {
                "results": [],
                "waste": released_files(self._settings.retention.delete_grace_seconds),
            }
        else:
            change = restart(self._settings.retention.delete_grace_seconds, "result_damaged") | {
                **found,
                "rung_at": None,
                "turn": 0,
            }
        outcome = await self._tasks.update_one({"_id": task_id, **damaged}, [{"$set": change}])
        return outcome.modified_count == 1

    async def restore_original(self, task_id: str, missing: ObjectId) -> bool:
        """Point an open task to the originals with its hashes, or set FAILURE if one is lost."""
        lacking = {"_id": task_id, **used_by(missing), "status": {"$in": list(OPEN)}}
        task = await self._tasks.find_one(lacking)
        if task is None:
            return False
        change = await self._find_originals(task) or failed(_RESULT_LOST)
        outcome = await self._tasks.update_one(lacking, [{"$set": change}])
        return outcome.modified_count == 1

    async def _find_originals(self, task: Document) -> Document | None:
        """Return the files that the task needs, each by its field; None: one is lost."""
        owner, files = task.get("owner") or "", self._originals
        needed = {"original_id": task["original_sha256"]}
        if task.get("watermark_id") is not None:
            pictures = (operation.get("picture") for operation in task["operations"])
            needed["watermark_id"] = next(filter(None, pictures))
        found = {}
        for field, sha256 in needed.items():
            file_id = ObjectId(task[field])
            if not await files.touch(file_id):
                again = await files.touch_by_hash(sha256, owner)
                if again is None:
                    return None
                file_id = again
            found[field] = file_id
        return found

    async def drop_chunks(self, bucket: str, file_id: object) -> bool:
        """Delete chunks without a files entry."""
        if await self._database[f"{bucket}.files"].find_one({"_id": file_id}, {"_id": 1}):
            return False
        await self._database[f"{bucket}.chunks"].delete_many({"files_id": file_id})
        return True

    async def drop_name(self, name: str, task_id: str, at: datetime | None) -> bool:
        """Delete a name whose task does not exist, unless it was reserved again meanwhile."""
        if await self._tasks.find_one({"_id": task_id}, {"_id": 1}):
            return False
        query = {"_id": name, "task_id": task_id, "at": at}
        return (await self._database["names"].delete_one(query)).deleted_count == 1

    async def add_name(self, name: str, task_id: str, part: int, at: datetime) -> bool:
        """Reserve a name that a task lists; False if another task has it."""
        entry = {"_id": name, "task_id": task_id, "part": part, "at": at}
        return not await insert_new(self._database["names"], [entry])
