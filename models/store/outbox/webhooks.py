"""The webhook outbox: calls to a callback_url when a task or a group has ended.

A webhook is stored before the response to the submission that requests it, so that no end of a task
can be missed; until then it waits, see ``models.store.outbox.pending_webhooks``.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime

import structlog
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING

from models.outbox.item import NEW_ITEM, DeliveryStatus
from models.outbox.webhook import KEEP_SECONDS, MAX_CALLBACKS, WebhookEvent, WebhookRequest
from models.settings import Settings
from models.store.mongo.repository import Document, insert_timed, now_plus
from models.store.outbox.outbox import Outbox
from models.store.outbox.pending_webhooks import PendingWebhooks

log = structlog.get_logger()

_MAX_SEARCHED = 10 * MAX_CALLBACKS  # all that ten clients may have: bounds the reads for one task
_MAX_LOG_ENTRIES = 40  # of one delivery, the newest: a day of hourly attempts, and some by hand
_MAX_SHOWN = 50  # webhooks of one task
_MAX_DELIVERIES = 200  # of one task and client


class WebhookOutbox(Outbox[WebhookEvent], collection="webhooks"):
    """The collection ``webhooks``."""

    keep_seconds = KEEP_SECONDS

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings, WebhookEvent)
        self._pending = PendingWebhooks(database, settings)

    async def count_rearmable(self, callback: WebhookRequest) -> int:
        """Return how many other webhooks of its client a restart would rearm, see ``rearm``.

        Two concurrent requests may both be accepted though only one more is allowed.
        """
        same_subject = {"subject": callback.subject, "client": callback.client}
        pipeline: list[Document] = [
            {"$match": {**same_subject, "key": {"$ne": callback.key}}},
            {"$sort": {"created_at": DESCENDING}},
            {"$limit": _MAX_SEARCHED},
            {"$group": {"_id": "$key", "type": {"$first": "$type"}}},
            {"$match": {"type": {"$not": {"$regex": r"\.succeeded$"}}}},
            {"$count": "count"},
        ]
        found = await self._collection.aggregate(pipeline).to_list(1)
        return int(found[0]["count"]) if found else 0

    async def put(self, callback: WebhookRequest) -> None:
        """Store a webhook, due when its tasks end or have ended; one per key waits."""
        if not callback.tasks:
            return
        document = {**asdict(callback), "host": callback.host, "pending": callback.tasks[-1]}
        await self._insert(document, callback.key)
        await self._pending.release([callback.tasks[-1]])

    async def _insert(self, document: Document, key: str) -> None:
        initial = {
            **NEW_ITEM,
            "after": None,
            **document,
            "_id": f"msg_{secrets.token_hex(16)}",
            "key": key,
            "status": DeliveryStatus.WAITING,
            "type": None,
            "body": None,
            "happened_at": None,
            "log": [],
        }
        times = {
            **dict.fromkeys(("due_at", "created_at", "looked_at"), "$$NOW"),
            "expires_at": now_plus(KEEP_SECONDS),
        }
        # Inserts nothing if an equal webhook waits already.
        await insert_timed(self._collection, initial, times)

    async def next_client(self, last: str, excluded: list[str], conditions: Document) -> str | None:
        """Return the next client after ``last``, round-robin, with a due webhook; None if none.

        ``excluded``: clients to skip; ``conditions``: further conditions on the webhook.
        """
        for after_last in ({"$gt": last}, {}):
            due = {**self._due, **conditions, "client": {"$nin": excluded, **after_last}}
            projection = {"_id": 0, "client": 1}
            found = await self._collection.find_one(due, projection, sort=[("client", ASCENDING)])
            if found is not None:
                return str(found["client"])
        return None

    async def rearm(self, task_id: str, allow: Callable[[str], Awaitable[bool]]) -> None:
        """Rearm the webhooks of a task's last end for its next one, unless that end was SUCCESS.

        Call it before a restart; if the restart does not happen, nothing is sent. A task may be
        restarted any number of times, so ``allow`` counts each webhook against WEBHOOKS_PER_CLIENT
        of its client, but separately from those the client requests: a stranger who restarts the
        same task must not use those up.
        """
        task = await self._tasks.find_one({"_id": task_id}, {"finished_at": 1})
        if task is None:
            return
        until = {"pending": task_id, "after": task["finished_at"]}
        seen: set[str] = set()
        limited: set[str] = set()
        sent = {"tasks": task_id, "status": {"$ne": DeliveryStatus.WAITING}}
        copied = ("about", "subject", "name", "tasks", "url", "host", "client", "owner", "result")
        found = self._collection.find(sent, ["key", "type", *copied]).sort("created_at", DESCENDING)
        async for webhook in found.limit(_MAX_SEARCHED):
            key, client = webhook["key"], webhook["client"]
            if key in seen:
                continue  # only the newest of a key counts
            seen.add(key)
            if str(webhook["type"]).endswith(".succeeded") or client in limited:
                continue
            if not await allow(client):
                log.warning("webhooks_not_rearmed", task_id=task_id, client=client)
                limited.add(client)
                continue
            same = {name: webhook[name] for name in copied if name in webhook}
            await self._insert({**same, **until}, key)

    async def redeliver(self, webhook_id: str) -> tuple[bool, WebhookEvent | None]:
        """Make a webhook due once more, under its id; return whether it was, and the webhook."""
        with_body = {"_id": webhook_id, "body": {"$ne": None}}
        initial = {"troubles": 0, "faults": 0, "troubled_at": None, "error": None, "ended_at": None}
        change = {"status": DeliveryStatus.CREATED, "lease": None, "due_at": "$$NOW", **initial}
        # A webhook that is being sent now is left to its sender.
        free = {"$or": [{"status": {"$ne": DeliveryStatus.CREATED}}, {"lease": None}]}
        pipeline: list[Document] = [
            {"$set": change},
            {"$unset": "expires_at"},
        ]
        outcome = await self._collection.update_one({**with_body, **free}, pipeline)
        return outcome.matched_count == 1, await self.get(webhook_id)

    async def get(self, webhook_id: str) -> WebhookEvent | None:
        document = await self._collection.find_one({"_id": webhook_id})
        return WebhookEvent.model_validate(document) if document else None

    async def of_task(self, task_id: str) -> list[WebhookEvent]:
        """Return the newest webhooks of a task, or of groups it is in, newest first."""
        found = self._collection.find({"tasks": task_id}).sort("created_at", DESCENDING)
        return [WebhookEvent.model_validate(document) async for document in found.limit(_MAX_SHOWN)]

    async def deliveries(self, task_id: str, client: str) -> list[WebhookEvent]:
        """Return the newest deliveries of a task's results that ``client`` asked for."""
        query = {"tasks": task_id, "client": client, "result": {"$type": "int"}}
        found = self._collection.find(query).sort("created_at", DESCENDING)
        return [WebhookEvent.model_validate(each) async for each in found.limit(_MAX_DELIVERIES)]

    async def newest(self, status: DeliveryStatus | None, limit: int) -> list[WebhookEvent]:
        """Return the newest webhooks, of one status or of all."""
        query = {"status": status if status else {"$in": list(DeliveryStatus)}}
        found = self._collection.find(query).sort("created_at", DESCENDING).limit(limit)
        return [WebhookEvent.model_validate(document) async for document in found]

    async def lateness(self) -> tuple[int, float]:
        """Return how many webhooks are to be sent, and how many seconds the most overdue is late.

        One that waits for a retry is late only after its due time.
        """
        count = await self._collection.count_documents({"status": DeliveryStatus.CREATED})
        found = await self._collection.aggregate(
            [
                {"$match": {"status": DeliveryStatus.CREATED}},
                {"$sort": {"due_at": 1}},
                {"$limit": 1},
                {"$project": {"late": {"$subtract": ["$$NOW", "$due_at"]}}},
            ]
        ).to_list(1)
        return count, max(0.0, found[0]["late"] / 1000) if found else 0.0

    async def set_body(self, webhook: WebhookEvent, kind: str, body: str, at: datetime) -> bool:
        """Store the body, so that each attempt sends the same; False if another holds the lease."""
        made = {"type": kind, "body": body, "happened_at": at}
        return await self._update_if_held(webhook, {k: {"$literal": v} for k, v in made.items()})

    def _attempt_change(self, item: WebhookEvent) -> Document:
        """Append the attempt to the log with any change that ends it."""
        if item.new_attempt is None:
            return {}
        entries = {"$concatArrays": ["$log", [{"$literal": item.new_attempt.model_dump()}]]}
        return {"log": {"$slice": [entries, -_MAX_LOG_ENTRIES]}}
