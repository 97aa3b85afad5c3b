"""Events that wait for a task's end: who ends one may die right after, any worker's look finds it.

A group's event waits for one of its tasks after the other, so that an end costs one question
however large the group is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError

from models.outbox.item import Mailing
from models.outbox.webhook import About
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after, now
from models.tasks.task import ENDED, OPEN

Document = dict[str, Any]

_BATCH = 1000  # events one look is at: bounds its work whatever waits


class Awaited:
    """The collection ``webhooks``, as far as it is WAITING."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], keep: float) -> None:
        """``keep``: seconds one that waits in vain is kept."""
        self._database = database
        self._events = database["webhooks"]
        self._tasks = database["tasks"]
        self._keep = keep

    async def prepare(self) -> None:
        only: Document = {"partialFilterExpression": {"status": str(Mailing.WAITING)}}
        await self._events.create_index("key", unique=True, **only)
        await self._events.create_index("pending", **only)
        await self._events.create_index("looked_at", **only)

    @guarded
    async def settle(self, task_id: str) -> int:
        """Have go out what waited for that task's end; return how many events that were."""
        waiting = {"status": Mailing.WAITING, "pending": task_id}
        return sum([await self._advance(event) async for event in self._events.find(waiting)])

    @guarded
    async def look(self, pause: float) -> int:
        """Do the same for what nobody looked at for ``pause`` seconds, and whose task ended."""
        limit = await now(self._database) - timedelta(seconds=pause)
        waiting = {"status": Mailing.WAITING, "looked_at": {"$lt": limit}}
        events = await self._events.find(waiting).sort("looked_at").limit(_BATCH).to_list(_BATCH)
        if not events:
            return 0
        ids, pending = [e["_id"] for e in events], list({e["pending"] for e in events})
        going = self._tasks.find(
            {"_id": {"$in": pending}, "status": {"$in": list(OPEN)}}, {"_id": 1}
        )
        running = {task["_id"] async for task in going}
        # What waits for an end that will come is kept; what waits in vain goes after a while.
        held = [event["_id"] for event in events if event["pending"] in running]
        await self._events.update_many({"_id": {"$in": ids}}, [{"$set": {"looked_at": "$$NOW"}}])
        await self._events.update_many(
            {"_id": {"$in": held}}, [{"$set": {"expires_at": after(self._keep)}}]
        )
        return sum([await self._advance(e) for e in events if e["pending"] not in running])

    async def _advance(self, event: Document) -> bool:
        """Have an event go out if all it waits for has ended; else wait for what has not."""
        going = await self._going(event)
        if going == event["pending"]:
            return False
        waiting = {"_id": event["_id"], "status": Mailing.WAITING, "pending": event["pending"]}
        if going is not None:
            change: Document = {"pending": going, "after": None}
        else:
            due = {"due_at": "$$NOW", "expires_at": "$$REMOVE"}
            change = {"status": Mailing.CREATED, **due}
        answer = await self._events.update_one(waiting, [{"$set": change}])
        return going is None and answer.modified_count == 1

    async def _going(self, event: Document) -> str | None:
        """Return a task of the event that has not ended; None if there is none."""
        asked = {"status": 1, "finished_at": 1}
        task = await self._tasks.find_one({"_id": event["pending"]}, asked)
        if task is not None and not _over(task, event["after"]):
            return str(event["pending"])
        if event["about"] == About.TASK:
            return None
        open_one = {"_id": {"$in": event["tasks"]}, "status": {"$in": list(OPEN)}}
        other = await self._tasks.find_one(open_one, {"_id": 1})
        return str(other["_id"]) if other else None

    @guarded
    async def wait(self, event_id: str, until: Document) -> bool:
        """Have an event wait again, for ``until``: a task of it has begun anew.

        Only one that has not been made yet; False if it has been meanwhile.
        """
        unmade = {"_id": event_id, "status": Mailing.CREATED, "body": None}
        change = {"status": Mailing.WAITING, "lease": None, "looked_at": "$$NOW", **until}
        change["expires_at"] = after(self._keep)
        try:
            return (await self._events.update_one(unmade, [{"$set": change}])).matched_count == 1
        except DuplicateKeyError:  # the same waits already
            return (await self._events.delete_one(unmade)).deleted_count == 1


def _over(task: Document, told: datetime | None) -> bool:
    if task["status"] not in ENDED:
        return False
    return told is None or task["finished_at"] is None or task["finished_at"] > told
