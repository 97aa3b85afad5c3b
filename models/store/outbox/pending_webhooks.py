"""Webhooks that wait for a task's end; polling finds those missed when a process died after it.

A group's webhook waits for its tasks one after the other, so that the end of a task costs one query
whatever the size of the group.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from models.outbox.item import DeliveryStatus
from models.outbox.webhook import KEEP_SECONDS, SubjectKind
from models.store.mongo.repository import Document, Repository, now_plus
from models.tasks.task import ENDED, OPEN

_MAX_WEBHOOKS = 1000  # of one poll: bounds its work


class PendingWebhooks(Repository, collection="webhooks"):
    """The documents of the collection ``webhooks`` with status WAITING."""

    async def release(self, task_ids: list[str]) -> int:
        """Make the webhooks that wait for the end of these tasks due; return their number."""
        waiting = {"status": DeliveryStatus.WAITING, "pending": {"$in": task_ids}}
        found = self._collection.find(waiting)
        return sum([await self._advance(webhook) async for webhook in found])

    async def poll(self, pause: float) -> int:
        """Do the same for webhooks unchecked for ``pause`` seconds whose task has ended."""
        limit = await self._now() - timedelta(seconds=pause)
        waiting = {"status": DeliveryStatus.WAITING, "looked_at": {"$lt": limit}}
        cursor = self._collection.find(waiting).sort("looked_at").limit(_MAX_WEBHOOKS)
        webhooks = await cursor.to_list(_MAX_WEBHOOKS)
        if not webhooks:
            return 0
        pending = list({webhook["pending"] for webhook in webhooks})
        open_tasks = self._tasks.find(
            {"_id": {"$in": pending}, "status": {"$in": list(OPEN)}}, {"_id": 1}
        )
        running = {task["_id"] async for task in open_tasks}
        # A webhook that waits for an open task is kept; one that waits in vain expires.
        kept = {"$in": ["$pending", {"$literal": list(running)}]}
        until = {"$cond": [kept, now_plus(KEEP_SECONDS), "$expires_at"]}
        await self._collection.update_many(
            {"_id": {"$in": [webhook["_id"] for webhook in webhooks]}},
            [{"$set": {"looked_at": "$$NOW", "expires_at": until}}],
        )
        ended = [webhook for webhook in webhooks if webhook["pending"] not in running]
        return sum([await self._advance(webhook) for webhook in ended])

    async def _advance(self, webhook: Document) -> bool:
        """Make a webhook due if all its tasks have ended; else let it wait for an open one."""
        open_task = await self._find_open_task(webhook)
        if open_task == webhook["pending"]:
            return False
        waiting = {
            "_id": webhook["_id"],
            "status": DeliveryStatus.WAITING,
            "pending": webhook["pending"],
        }
        if open_task is not None:
            change: Document = {"pending": open_task, "after": None}
        else:
            due = {"due_at": "$$NOW", "expires_at": "$$REMOVE"}
            change = {"status": DeliveryStatus.CREATED, **due}
        outcome = await self._collection.update_one(waiting, [{"$set": change}])
        return open_task is None and outcome.modified_count == 1

    async def _find_open_task(self, webhook: Document) -> str | None:
        """Return a task of the webhook that has not ended; None if all have."""
        fields = {"status": 1, "finished_at": 1}
        task = await self._tasks.find_one({"_id": webhook["pending"]}, fields)
        if task is not None and not _ended_since(task, webhook["after"]):
            return str(webhook["pending"])
        if webhook["about"] == SubjectKind.TASK:
            return None
        any_open = {"_id": {"$in": webhook["tasks"]}, "status": {"$in": list(OPEN)}}
        other = await self._tasks.find_one(any_open, {"_id": 1})
        return str(other["_id"]) if other else None

    async def wait_again(self, webhook_id: str, until: Document) -> bool:
        """Let a webhook wait again, for ``until``: one of its tasks was restarted.

        Only if its body is not set yet; False if it has been set meanwhile.
        """
        without_body = {"_id": webhook_id, "status": DeliveryStatus.CREATED, "body": None}
        change = {"status": DeliveryStatus.WAITING, "lease": None, "looked_at": "$$NOW", **until}
        change["expires_at"] = now_plus(KEEP_SECONDS)
        try:
            return (
                await self._collection.update_one(without_body, [{"$set": change}])
            ).matched_count == 1
        except DuplicateKeyError:  # an equal webhook waits already
            return (await self._collection.delete_one(without_body)).deleted_count == 1


def _ended_since(task: Document, since: datetime | None) -> bool:
    if task["status"] not in ENDED:
        return False
    return since is None or task["finished_at"] is None or task["finished_at"] > since
