"""Groups: what was submitted together. A task on its own is a group of one, and needs no entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.auth.visibility import EVERYTHING, View
from models.store.mongo.errors import guarded
from models.store.tasks.tasks import Tasks
from models.tasks.group import Group, Member
from models.tasks.task import Task


class Groups:
    """The collection ``groups``: {_id, members, email, owner, created_at}."""

    def __init__(
        self, collection: AsyncIOMotorCollection[dict[str, Any]], tasks: Tasks, ttl: float
    ) -> None:
        """``ttl``: seconds a group is remembered after it was last submitted."""
        self._groups = collection
        self._tasks = tasks
        self._ttl = ttl

    async def prepare(self) -> None:
        await self._groups.create_index("expires_at", expireAfterSeconds=0)

    @guarded
    async def create(
        self, group_id: str, members: Sequence[Member], email: str | None, owner: str = ""
    ) -> None:
        """Insert the group, or start its clock anew: the same pictures were sent again."""
        over = {"$add": ["$$NOW", round(self._ttl * 1000)]}
        document = {"members": [m.model_dump() for m in members], "email": email, "owner": owner}
        await self._groups.update_one(
            {"_id": group_id},
            [
                {
                    "$set": {
                        "created_at": "$$NOW",
                        "expires_at": over,
                        **{k: {"$literal": v} for k, v in document.items()},
                    }
                }
            ],
            upsert=True,
        )

    @guarded
    async def find(
        self, group_id: str, view: View = EVERYTHING
    ) -> tuple[Group, dict[str, Task]] | None:
        """Return the group and its tasks by id; a task's id is a group of one."""
        document = await self._groups.find_one({"_id": group_id, **view.query()})
        if document is not None:
            group = Group.model_validate(document)
            return group, await self._tasks.many(group.task_ids)
        task = await self._tasks.get(group_id, view)
        return (Group.of_one(task), {task.id: task}) if task else None
