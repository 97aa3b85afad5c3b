"""The task ledger for the service: create, restart, cancel and look up tasks.

Every change of state is one conditional update with the server's time; ``leases`` has those of
workers.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cached_property

from bson import ObjectId
from pymongo import DESCENDING, ReturnDocument

from models.auth.visibility import UNRESTRICTED_VIEW, View
from models.images.metadata import MetadataChoice
from models.store.mongo.repository import Document, Repository, insert_timed, now_plus
from models.store.tasks.transitions import NEW_TASK, RESTARTABLE, ended, restart
from models.tasks.group import Group, Member
from models.tasks.needs import Abilities
from models.tasks.task import ENDED, Status, Task, TimelineAction, Upload, Work

_MAX_TASKS_SEARCHED = 100  # of one upload name, searched for one that still has its result


class Tasks(Repository):
    """The collection ``tasks``."""

    async def get(self, task_id: str, view: View = UNRESTRICTED_VIEW) -> Task | None:
        document = await self._find_certain({"_id": task_id, **view.query()})
        return Task.model_validate(document) if document else None

    async def find(self, task_id: str) -> Task | None:
        """Return the task; None does not mean that there is none: an insert decides."""
        document = await self._tasks.find_one({"_id": task_id})
        return Task.model_validate(document) if document else None

    async def get_latest(self, task_id: str) -> Task | None:
        """Return the task after every change that was acknowledged, also through other services."""
        await self._catch_up()
        return await self.find(task_id)

    async def get_many(
        self, task_ids: Sequence[str], view: View = UNRESTRICTED_VIEW
    ) -> dict[str, Task]:
        """Return the tasks that exist, by id."""
        found = await self._read_many(set(task_ids), view)
        missing = set(task_ids) - found.keys()
        if missing and await self._catch_up():
            found |= await self._read_many(missing, view)
        return found

    async def _read_many(self, task_ids: Set[str], view: View) -> dict[str, Task]:
        cursor = self._tasks.find({"_id": {"$in": list(task_ids)}, **view.query()})
        return {str(d["_id"]): Task.model_validate(d) async for d in cursor}

    async def newest_of_upload(
        self, upload_name: str, view: View = UNRESTRICTED_VIEW
    ) -> Task | None:
        """Return the task with an upload of that name that finished last.

        A task whose result was deleted is skipped. One whose result expired is not: all before it
        are older. At most _MAX_TASKS_SEARCHED tasks are read, so that many deletions do not slow
        down every look-up.
        """
        query = {**view.query(), "uploads.name": upload_name, "status": Status.SUCCESS}
        cursor = self._tasks.find(query).sort("finished_at", DESCENDING).limit(_MAX_TASKS_SEARCHED)
        async for document in cursor:
            task = Task.model_validate(document)
            gone = task.removal(task.upload(upload_name).results[0], 0)
            if gone is None or gone.reason == "expired":
                return task
        return None

    async def create(
        self,
        fingerprint: str,
        *,
        original_id: ObjectId,
        original_sha256: str,
        upload: Upload,
        operations: Sequence[Document],
        output: str,
        most_result_bytes: int = 0,
        work: Work | None = None,
        needs: Abilities | None = None,
        report: bool = False,
        metadata: MetadataChoice = "none",
        watermark_id: ObjectId | None = None,
        owner: str = "",
        client: str = "",
        turn: int = 0,
    ) -> Task | None:
        """Insert a task and return it; None if its fingerprint exists."""
        document = {
            **NEW_TASK,
            "_id": fingerprint[:32],
            "fingerprint": fingerprint,
            "original_id": original_id,
            "original_sha256": original_sha256,
            "uploads": [upload.model_dump()],
            "operations": list(operations),
            "format": output,
            "most_result_bytes": most_result_bytes,
            "work": (work or Work()).model_dump(),
            "needs": (needs or Abilities()).model_dump(),
            "owner": owner,
            "client": client,
            "turn": turn,
            "rings": 0,
            "wants_report": report,
            "metadata": metadata,
            **({} if watermark_id is None else {"watermark_id": watermark_id}),
        }
        times = {"created_at": "$$NOW", "asked_at": "$$NOW", "rung_at": "$$NOW"}
        inserted = await insert_timed(self._tasks, document, times)
        return Task.model_validate(inserted) if inserted else None

    async def restart(
        self,
        task_id: str,
        original_id: ObjectId | None = None,
        client: str = "",
        turn: int = 0,
        watermark_id: ObjectId | None = None,
    ) -> bool:
        """Restart a task that failed, was cancelled, or has lost a result.

        ``original_id``, ``watermark_id``: replace those that it has. ``client`` and ``turn``: of
        the new request. Returns whether this call restarted it: of concurrent calls one does.
        """
        change = {
            **restart(self._settings.retention.delete_grace_seconds),
            "client": {"$literal": client},
            "turn": turn,
            "asked_at": "$$NOW",
        }
        if original_id is not None:
            change["original_id"] = original_id
        if watermark_id is not None:
            change["watermark_id"] = watermark_id
        outcome = await self._tasks.update_one({"_id": task_id, **RESTARTABLE}, [{"$set": change}])
        return outcome.modified_count == 1

    async def restore_deleted(self, task_id: str, names: Sequence[str] | None = None) -> None:
        """Undo the deletion of ``names`` (or all) of a task's results: requested again."""
        kept = {} if names is None else {"name": {"$in": list(names)}}
        await self._tasks.update_one(
            {"_id": task_id, "deleted.0": {"$exists": True}}, {"$pull": {"deleted": kept}}
        )

    async def cancel(
        self, task_id: str, error: Document, view: View = UNRESTRICTED_VIEW
    ) -> Task | None:
        """Cancel an open task and end its lease; None if it does not exist or has ended.

        The worker that holds it is fenced from then on: it cannot set the task to SUCCESS.
        """
        document = await self._tasks.find_one_and_update(
            {"_id": task_id, **view.query(), "status": {"$nin": list(ENDED)}},
            [{"$set": ended(Status.CANCELLED, TimelineAction.CANCELLED, error)}],
            return_document=ReturnDocument.AFTER,
        )
        return Task.model_validate(document) if document else None

    async def add_upload(self, task_id: str, upload: Upload, limit: int) -> bool:
        """Add a further upload name; False if the task has it, or has ``limit`` names already."""
        outcome = await self._tasks.update_one(
            {
                "_id": task_id,
                "uploads.name": {"$ne": upload.name},
                f"uploads.{limit - 1}": {"$exists": False},
            },
            {"$push": {"uploads": upload.model_dump()}},
        )
        return outcome.modified_count == 1


class Groups(Repository, collection="groups"):
    """The collection ``groups``: {_id, members, email, owner, created_at}."""

    @cached_property
    def _ledger(self) -> Tasks:
        return Tasks(self._database, self._settings)

    async def create(
        self, group_id: str, members: Sequence[Member], email: str | None, owner: str = ""
    ) -> None:
        """Insert the group; if the same pictures were sent before, restart its expiry."""
        document = {"members": [m.model_dump() for m in members], "email": email, "owner": owner}
        await self._collection.update_one(
            {"_id": group_id},
            [
                {
                    "$set": {
                        "created_at": "$$NOW",
                        "expires_at": now_plus(self._settings.retention.group_ttl),
                        **{k: {"$literal": v} for k, v in document.items()},
                    }
                }
            ],
            upsert=True,
        )

    async def find(
        self, group_id: str, view: View = UNRESTRICTED_VIEW
    ) -> tuple[Group, dict[str, Task]] | None:
        """Return the group and its tasks by id; the id of a task stands for a group of one."""
        document = await self._find_certain({"_id": group_id, **view.query()})
        if document is not None:
            group = Group.model_validate(document)
            return group, await self._ledger.get_many(group.task_ids)
        task = await self._ledger.get(group_id, view)
        return (Group.of_one(task), {task.id: task}) if task else None
