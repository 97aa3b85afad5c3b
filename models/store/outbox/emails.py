"""The e-mail outbox: e-mails wait here until a mail server accepts them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict

from motor.motor_asyncio import AsyncIOMotorDatabase

from models.outbox.email import Email, EmailDraft
from models.outbox.item import NEW_ITEM, DeliveryStatus
from models.settings import Settings
from models.settings.mail import parse_sender
from models.store.mongo.repository import Document, insert_new, insert_timed, now_plus
from models.store.outbox.outbox import Outbox


class EmailOutbox(Outbox[Email], collection="mail"):
    """The collection ``mail``."""

    keep_seconds = 30 * 24 * 3600.0  # longer than a week, so that no newsletter is sent twice

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings, Email)
        self._domain = parse_sender(settings.mail.smtp_from).domain

    def _document(self, draft: EmailDraft) -> Document:
        return {
            "_id": secrets.token_hex(16),
            **asdict(draft),
            "message_id": f"<{secrets.token_hex(16)}@{self._domain}>",
            **NEW_ITEM,
        }

    async def find_by_key(self, key: str) -> Email | None:
        document = await self._collection.find_one({"key": key})
        return Email.model_validate(document) if document else None

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
            await self._collection.update_one(
                {"key": draft.key, "$or": ended},
                [{"$set": {"key": {"$concat": ["$key", "#", "$_id"]}}}],
            )
        times = {"due_at": "$$NOW", "created_at": "$$NOW"}
        return await insert_timed(self._collection, self._document(draft), times) is not None

    async def put_all(self, drafts: Sequence[EmailDraft]) -> int:
        """Insert the e-mails whose key is new; return their number."""
        if not drafts:
            return 0
        now = await self._server_now()
        documents = [{**self._document(d), "due_at": now, "created_at": now} for d in drafts]
        return len(documents) - len(await insert_new(self._collection, documents))
