"""The e-mail outbox: e-mails wait here until a mail server accepts them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase

from models.outbox.email import Email, EmailDraft
from models.outbox.item import NEW_ITEM, DeliveryStatus
from models.store.mongo.errors import translate_errors
from models.store.mongo.indexes import Indexes
from models.store.mongo.server_time import now_plus, server_now
from models.store.mongo.upsert import insert_new, insert_timed
from models.store.outbox.outbox import Outbox

Document = dict[str, Any]


class EmailOutbox(Outbox[Email]):
    """The collection ``mail``."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], domain: str) -> None:
        """``domain`` is the part of each Message-ID after the @."""
        super().__init__(database["mail"], Email)
        self._database = database
        self._domain = domain

    def declare_indexes(self, indexes: Indexes) -> None:
        super().declare_indexes(indexes)
        indexes.add(self._items, "key", unique=True)

    def _document(self, draft: EmailDraft) -> Document:
        return {
            "_id": secrets.token_hex(16),
            "key": draft.key,
            "kind": draft.kind,
            "to": draft.to,
            "context": draft.context,
            "message_id": f"<{secrets.token_hex(16)}@{self._domain}>",
            **NEW_ITEM,
        }

    @translate_errors
    async def find_by_key(self, key: str) -> Email | None:
        document = await self._items.find_one({"key": key})
        return Email.model_validate(document) if document else None

    @translate_errors
    async def put(self, draft: EmailDraft, *, resend_after: float | None = None) -> bool:
        """Insert an e-mail unless its key exists; return whether this call inserted it.

        ``resend_after``: an e-mail sent at least that many seconds ago, or failed, does not block.
        """
        if resend_after is not None:
            old_enough = {"$expr": {"$lte": ["$ended_at", now_plus(-resend_after)]}}
            ended = [
                {"status": DeliveryStatus.FAILED},
                {"status": DeliveryStatus.SENT, **old_enough},
            ]
            await self._items.update_one(
                {"key": draft.key, "$or": ended},
                [{"$set": {"key": {"$concat": ["$key", "#", "$_id"]}}}],
            )
        times = {"due_at": "$$NOW", "created_at": "$$NOW"}
        return await insert_timed(self._items, self._document(draft), times)

    @translate_errors
    async def put_all(self, drafts: Sequence[EmailDraft]) -> int:
        """Insert the e-mails whose key is new; return their number."""
        if not drafts:
            return 0
        now = await server_now(self._database)
        documents = [{**self._document(d), "due_at": now, "created_at": now} for d in drafts]
        return len(documents) - len(await insert_new(self._items, documents))
