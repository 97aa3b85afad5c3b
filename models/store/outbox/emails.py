"""The outbox of letters: they wait here until a mail server has taken them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession as Session
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from models.outbox.email import Draft, Letter
from models.outbox.item import NEW, Mailing
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after
from models.store.outbox.outbox import Outbox

Document = dict[str, Any]

_DUPLICATE = 11000  # MongoDB's error code DuplicateKey
_NOW = {"due_at": "$$NOW", "created_at": "$$NOW"}


class Mail(Outbox[Letter]):
    """The collection ``mail``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document], domain: str) -> None:
        """``domain`` is the right side of each Message-ID."""
        super().__init__(collection, Letter)
        self._domain = domain

    async def prepare(self) -> None:
        await super().prepare()
        await self._parcels.create_index("key", unique=True)

    def _document(self, draft: Draft) -> Document:
        return {
            "_id": secrets.token_hex(16),
            "key": draft.key,
            "kind": draft.kind,
            "to": draft.to,
            "context": draft.context,
            "message_id": f"<{secrets.token_hex(16)}@{self._domain}>",
            **NEW,
        }

    @guarded
    async def find(self, key: str) -> Letter | None:
        document = await self._parcels.find_one({"key": key})
        return Letter.model_validate(document) if document else None

    @guarded
    async def put(
        self, draft: Draft, *, again: float | None = None, session: Session | None = None
    ) -> bool:
        """Insert a letter unless there is one of its key; tell whether this call did.

        ``again``: one that was sent at least that many seconds ago, or failed, counts no more.
        ``session``: of a transaction, which is lost where this returns False.
        """
        if again is not None:
            past = {"$expr": {"$lte": ["$ended_at", after(-again)]}}
            ended = [{"status": Mailing.FAILED}, {"status": Mailing.SENT, **past}]
            await self._parcels.update_one(
                {"key": draft.key, "$or": ended},
                [{"$set": {"key": {"$concat": ["$key", "#", "$_id"]}}}],
                session=session,
            )
        document = self._document(draft)
        try:  # an update, as only those can take the server's time
            await self._parcels.update_one(
                {"_id": document["_id"]},
                [{"$replaceWith": {"$mergeObjects": [{"$literal": document}, _NOW]}}],
                upsert=True,
                session=session,
            )
        except DuplicateKeyError:
            return False
        return True

    @guarded
    async def put_all(self, drafts: Sequence[Draft]) -> int:
        """Insert those letters whose key is new; return how many those were."""
        if not drafts:
            return 0
        now = (await self._parcels.database.command("hello"))["localTime"]
        documents = [{**self._document(d), "due_at": now, "created_at": now} for d in drafts]
        try:
            answer = await self._parcels.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if details.get("writeConcernErrors") or any(
                each["code"] != _DUPLICATE for each in details.get("writeErrors", [])
            ):
                raise
            return int(details["nInserted"])
        return len(answer.inserted_ids)
