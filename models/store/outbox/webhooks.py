"""The outbox of events: what is told to a callback_url when a task or a group has ended.

An event is put down before the answer to the submission that asks for it, so that nobody who ends
a task can lose it; until then it waits, see ``models.store.outbox.pending_webhooks``.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import structlog
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from models.outbox.item import NEW, Mailing
from models.outbox.webhook import Callback, Event
from models.settings import Settings
from models.store.mongo.errors import guarded
from models.store.mongo.hourly_quotas import Quotas
from models.store.mongo.server_time import after
from models.store.outbox.outbox import DUE, Outbox
from models.store.outbox.pending_webhooks import Awaited

log = structlog.get_logger()

Document = dict[str, Any]

_CLIENTS = 10  # whose events of one task are looked through, had each as many as one may have
_SHOWN = 50  # events of one task
_FRESH = {"due_at": "$$NOW", "created_at": "$$NOW", "looked_at": "$$NOW"}


class Events(Outbox[Event]):
    """The collection ``webhooks``."""

    _claimed_by = ("status", "due_at", "host", "client")  # some of these are left out, see ``Busy``

    def __init__(
        self,
        database: AsyncIOMotorDatabase[Document],
        awaited: Awaited,
        quotas: Quotas,
        settings: Settings,
    ) -> None:
        super().__init__(database["webhooks"], Event)
        self._tasks = database["tasks"]
        self._awaited = awaited
        self._quotas = quotas
        self._keep = settings.webhook_keep
        self._log = settings.webhook_log
        self._per_client = settings.webhooks_per_client
        self._most = _CLIENTS * settings.webhooks_per_task

    async def prepare(self) -> None:
        await super().prepare()
        await self._awaited.prepare()
        # Of each client what is due, without reading those that are left out: ``whose_turn``.
        turns = ("status", "client", "due_at", "host")
        await self._parcels.create_index([(field, ASCENDING) for field in turns])
        await self._parcels.create_index([("tasks", ASCENDING), ("created_at", DESCENDING)])
        # All that ``others`` asks for: bodies may be large, and none is read.
        asked = ("subject", "client", "created_at", "key", "type")
        await self._parcels.create_index([(field, ASCENDING) for field in asked])
        await self._parcels.create_index([("status", ASCENDING), ("created_at", DESCENDING)])

    @guarded
    async def others(self, callback: Callback) -> int:
        """Return how much else its client would be told if its subject began anew, see ``again``.

        Two that are asked for at once may both find room for one.
        """
        whose = {"subject": callback.subject, "client": callback.client}
        pipeline: list[Document] = [
            {"$match": {**whose, "key": {"$ne": callback.key}}},
            {"$sort": {"created_at": DESCENDING}},
            {"$limit": self._most},
            {"$group": {"_id": "$key", "type": {"$first": "$type"}}},
            {"$match": {"type": {"$not": {"$regex": r"\.succeeded$"}}}},
            {"$count": "count"},
        ]
        found = await self._parcels.aggregate(pipeline).to_list(1)
        return int(found[0]["count"]) if found else 0

    @guarded
    async def put(self, callback: Callback) -> None:
        """Have ``callback`` told when its tasks end, or at once if they have; once if it waits."""
        if not callback.tasks:
            return
        document = {
            "about": callback.about,
            "subject": callback.subject,
            "name": callback.name,
            "tasks": callback.tasks,
            "pending": callback.tasks[-1],
            "url": callback.url,
            "host": callback.host,
            "client": callback.client,
            "owner": callback.owner,
        }
        await self._insert(document, callback.key)
        await self._awaited.settle(callback.tasks[-1])

    async def _insert(self, document: Document, key: str) -> None:
        fresh = {
            **NEW,
            "after": None,
            **document,
            "_id": f"msg_{secrets.token_hex(16)}",
            "key": key,
            "status": Mailing.WAITING,
            "type": None,
            "body": None,
            "happened_at": None,
            "log": [],
        }
        times = {**_FRESH, "expires_at": after(self._keep)}
        try:
            await self._parcels.update_one(
                {"_id": fresh["_id"]},
                [{"$replaceWith": {"$mergeObjects": [{"$literal": fresh}, times]}}],
                upsert=True,
            )
        except DuplicateKeyError:
            return  # the same waits already

    @guarded
    async def whose_turn(self, last: str, held: list[str], but: Document) -> str | None:
        """Return the client after ``last``, in a circle, of whom something is due; None if none.

        ``held``: clients that are left out; ``but``: conditions that what is due must meet besides.
        """
        for after_last in ({"$gt": last}, {}):
            due = {**DUE, **but, "client": {"$nin": held, **after_last}}
            shown = {"_id": 0, "client": 1}
            found = await self._parcels.find_one(due, shown, sort=[("client", ASCENDING)])
            if found is not None:
                return str(found["client"])
        return None

    @guarded
    async def again(self, task_id: str) -> None:
        """Have the next end of a task told, too, to whom its last one was, unless it was SUCCESS.

        To be called before a task begins anew: should that not come to pass, nothing is told.
        Who may begin it may do so for ever, so each event counts against WEBHOOKS_PER_CLIENT; apart
        from what its client asks for, which a stranger with the same picture must not use up.
        """
        task = await self._tasks.find_one({"_id": task_id}, {"finished_at": 1})
        if task is None:
            return
        until = {"pending": task_id, "after": task["finished_at"]}
        seen: set[str] = set()
        spent: set[str] = set()
        told = {"tasks": task_id, "status": {"$ne": Mailing.WAITING}}
        kept = ("about", "subject", "name", "tasks", "url", "host", "client", "owner")
        found = self._parcels.find(told, ["key", "type", *kept]).sort("created_at", DESCENDING)
        async for event in found.limit(self._most):
            key, client = event["key"], event["client"]
            if key in seen:
                continue  # only its newest counts
            seen.add(key)
            if str(event["type"]).endswith(".succeeded") or client in spent:
                continue
            if await self._quotas.hit(f"webhooks-again:{client}", self._per_client):
                log.warning("webhooks_not_told_again", task_id=task_id, client=client)
                spent.add(client)
                continue
            await self._insert({**{name: event[name] for name in kept}, **until}, key)

    @guarded
    async def redeliver(self, event_id: str) -> tuple[bool, Event | None]:
        """Have an event sent once more, at once, under its id; tell whether, and return it."""
        made = {"_id": event_id, "body": {"$ne": None}}
        fresh = {"troubles": 0, "faults": 0, "troubled_at": None, "error": None, "ended_at": None}
        change = {"status": Mailing.CREATED, "lease": None, "due_at": "$$NOW", **fresh}
        # One that is being sent just now is left to its sender.
        free = {"$or": [{"status": {"$ne": Mailing.CREATED}}, {"lease": None}]}
        pipeline: list[Document] = [
            {"$set": change},
            {"$unset": "expires_at"},
        ]
        answer = await self._parcels.update_one({**made, **free}, pipeline)
        return answer.matched_count == 1, await self.get(event_id)

    @guarded
    async def get(self, event_id: str) -> Event | None:
        document = await self._parcels.find_one({"_id": event_id})
        return Event.model_validate(document) if document else None

    @guarded
    async def of_task(self, task_id: str) -> list[Event]:
        """Return the newest events about a task, or about groups it is in, newest first."""
        found = self._parcels.find({"tasks": task_id}).sort("created_at", DESCENDING)
        return [Event.model_validate(document) async for document in found.limit(_SHOWN)]

    @guarded
    async def newest(self, status: Mailing | None, limit: int) -> list[Event]:
        """Return the newest events, of one status or of all."""
        query = {"status": status if status else {"$in": list(Mailing)}}
        found = self._parcels.find(query).sort("created_at", DESCENDING).limit(limit)
        return [Event.model_validate(document) async for document in found]

    @guarded
    async def late(self) -> tuple[int, float]:
        """Return how many events are to go out, and by how many seconds the latest is late.

        One that waits to be tried again is not: it is late when its time has passed.
        """
        count = await self._parcels.count_documents({"status": Mailing.CREATED})
        found = await self._parcels.aggregate(
            [
                {"$match": {"status": Mailing.CREATED}},
                {"$sort": {"due_at": 1}},
                {"$limit": 1},
                {"$project": {"late": {"$subtract": ["$$NOW", "$due_at"]}}},
            ]
        ).to_list(1)
        return count, max(0.0, found[0]["late"] / 1000) if found else 0.0

    @guarded
    async def make(self, event: Event, kind: str, body: str, at: datetime) -> bool:
        """Keep what is told, so that each attempt says the same; False if it is another's."""
        made = {"type": kind, "body": body, "happened_at": at}
        return await self._held(event, {k: {"$literal": v} for k, v in made.items()})

    def _more(self, parcel: Event) -> Document:
        """Note the attempt that was made, with whatever else is noted of it."""
        if parcel.made is None:
            return {}
        entries = {"$concatArrays": ["$log", [{"$literal": parcel.made.model_dump()}]]}
        return {"log": {"$slice": [entries, -self._log]}}
