"""Groups of tasks submitted together. A single task is a group of one without an entry."""

from __future__ import annotations

from collections.abc import Sequence

from motor.motor_asyncio import AsyncIOMotorDatabase

from models.auth.visibility import UNRESTRICTED_VIEW, View
from models.settings import Settings
from models.store.mongo.repository import Document, Repository, now_plus
from models.store.tasks.tasks import Tasks
from models.tasks.group import Group, Member
from models.tasks.task import Task


class Groups(Repository, collection="groups"):
    """The collection ``groups``: {_id, members, email, owner, created_at}."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._ledger = Tasks(database, settings)

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
                        "expires_at": now_plus(self._settings.group_ttl),
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
        document = await self._collection.find_one({"_id": group_id, **view.query()})
        if document is not None:
            group = Group.model_validate(document)
            return group, await self._ledger.get_many(group.task_ids)
        task = await self._ledger.get(group_id, view)
        return (Group.of_one(task), {task.id: task}) if task else None
