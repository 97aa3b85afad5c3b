"""Groups of tasks submitted together. A single task is a group of one without an entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.auth.visibility import UNRESTRICTED_VIEW, View
from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import now_plus
from models.store.tasks.tasks import Tasks
from models.tasks.group import Group, Member
from models.tasks.task import Task


class Groups:
    """The collection ``groups``: {_id, members, email, owner, created_at}."""

    def __init__(
        self, collection: AsyncIOMotorCollection[dict[str, Any]], tasks: Tasks, ttl: float
    ) -> None:
        """``ttl``: seconds until a group is deleted after its last submission."""
        self._groups = collection
        self._tasks = tasks
        self._ttl = ttl

    def declare_indexes(self, indexes: Indexes) -> None:
        indexes.add(self._groups, "expires_at", expireAfterSeconds=0)

    @translate_errors
    async def create(
        self, group_id: str, members: Sequence[Member], email: str | None, owner: str = ""
    ) -> None:
        """Insert the group; if the same pictures were sent before, restart its expiry."""
        document = {"members": [m.model_dump() for m in members], "email": email, "owner": owner}
        await self._groups.update_one(
            {"_id": group_id},
            [
                {
                    "$set": {
                        "created_at": "$$NOW",
                        "expires_at": now_plus(self._ttl),
                        **{k: {"$literal": v} for k, v in document.items()},
                    }
                }
            ],
            upsert=True,
        )

    @translate_errors
    async def find(
        self, group_id: str, view: View = UNRESTRICTED_VIEW
    ) -> tuple[Group, dict[str, Task]] | None:
        """Return the group and its tasks by id; the id of a task stands for a group of one."""
        document = await self._groups.find_one({"_id": group_id, **view.query()})
        if document is not None:
            group = Group.model_validate(document)
            return group, await self._tasks.get_many(group.task_ids)
        task = await self._tasks.get(group_id, view)
        return (Group.of_one(task), {task.id: task}) if task else None
