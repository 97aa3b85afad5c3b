"""The outbox: letters wait here until a mail server has taken them.

A letter is claimed under a lease by MongoDB's own clock, as tasks are: whoever dies holding one
loses it to another worker. ``due_at`` moves with the lease, so one index finds all that is due.

A lease runs out when its holder died, but also when this store was away for longer. So a fault is
counted only for a holder that had begun with what may kill it, and one that speaks up after all
takes its own back.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession as Session
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from models.letter import Draft, Letter, Mailing
from models.store.clock import after
from models.store.guard import guarded

Document = dict[str, Any]

_DUPLICATE = 11000  # MongoDB's error code DuplicateKey
_NOW = {"due_at": "$$NOW", "created_at": "$$NOW"}


class Outbox:
    """The collection ``mail``."""

    def __init__(self, collection: AsyncIOMotorCollection[Document], domain: str) -> None:
        """``domain`` is the right side of each Message-ID."""
        self._mail = collection
        self._domain = domain

    async def prepare(self) -> None:
        await self._mail.create_index("key", unique=True)
        await self._mail.create_index([("status", ASCENDING), ("due_at", ASCENDING)])
        await self._mail.create_index("expires_at", expireAfterSeconds=0)

    def _document(self, draft: Draft) -> Document:
        return {
            "_id": secrets.token_hex(16),
            "key": draft.key,
            "kind": draft.kind,
            "to": draft.to,
            "context": draft.context,
            "message_id": f"<{secrets.token_hex(16)}@{self._domain}>",
            "status": Mailing.CREATED,
            "attempts": 0,
            "troubles": 0,
            "faults": 0,
            "missed": [],
            "lease": None,
            "claimed_at": None,
            "troubled_at": None,
            "ended_at": None,
            "error": None,
        }

    # What asks for letters does

    @guarded
    async def find(self, key: str) -> Letter | None:
        document = await self._mail.find_one({"key": key})
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
            await self._mail.update_one(
                {"key": draft.key, "$or": ended},
                [{"$set": {"key": {"$concat": ["$key", "#", "$_id"]}}}],
                session=session,
            )
        document = self._document(draft)
        try:  # an update, as only those can take the server's time
            await self._mail.update_one(
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
        now = (await self._mail.database.command("hello"))["localTime"]
        documents = [{**self._document(d), "due_at": now, "created_at": now} for d in drafts]
        try:
            answer = await self._mail.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            details = error.details or {}
            if details.get("writeConcernErrors") or any(
                each["code"] != _DUPLICATE for each in details.get("writeErrors", [])
            ):
                raise
            return int(details["nInserted"])
        return len(answer.inserted_ids)

    # What a sender does

    @guarded
    async def claim(self, token: str, seconds: float) -> Letter | None:
        """Take the letter that is due longest; None if none is.

        One whose last holder had begun and fell silent has a fault more; ``missed`` says whose.
        """
        died = {"$eq": ["$lease.begun", True]}
        missed = {"$ifNull": ["$missed", []]}
        document = await self._mail.find_one_and_update(
            {"status": Mailing.CREATED, "$expr": {"$lte": ["$due_at", "$$NOW"]}},
            [
                {
                    "$set": {
                        "attempts": {"$add": ["$attempts", 1]},
                        "faults": {"$add": ["$faults", {"$cond": [died, 1, 0]}]},
                        "missed": {
                            "$concatArrays": [missed, {"$cond": [died, ["$lease.token"], []]}]
                        },
                        "claimed_at": "$$NOW",
                        "lease": {"token": token, "until": after(seconds), "begun": False},
                        "due_at": after(seconds),
                    }
                }
            ],
            sort=[("due_at", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return Letter.model_validate(document) if document else None

    async def _held(self, letter: Letter, change: Document, *, sound: bool = True) -> bool:
        """Change a letter if its token still holds it.

        If not, and its holder is ``sound``, the fault that was counted as its death is taken back.
        """
        answer = await self._mail.update_one(
            {"_id": letter.id, "status": Mailing.CREATED, "lease.token": letter.token},
            [{"$set": change}],
        )
        if answer.matched_count == 1:
            return True
        if sound:
            await self._mail.update_one(
                {"_id": letter.id, "missed": letter.token},
                {"$inc": {"faults": -1}, "$pull": {"missed": letter.token}},
            )
        return False

    @guarded
    async def begin(self, letter: Letter) -> bool:
        """Note that from now on a silent holder is a dead one; False if it is another's, or ended.

        What comes next may kill a worker: it makes the message, with its attachment, and posts it.
        """
        return await self._held(letter, {"lease": {"begun": True}})

    @guarded
    async def extend(self, letter: Letter, seconds: float) -> bool:
        until = after(seconds)
        return await self._held(letter, {"lease": {"until": until}, "due_at": until})

    @guarded
    async def postpone(self, letter: Letter, seconds: float) -> bool:
        """Give it back: what it is about is not there yet, or its worker stops."""
        return await self._held(letter, {"lease": None, "due_at": after(seconds)})

    @guarded
    async def retry(self, letter: Letter, seconds: float, error: str, *, fault: bool) -> bool:
        """Give it back after trouble; ``fault``: with the letter itself, not with the server."""
        change = {
            "lease": None,
            "due_at": after(seconds),
            "troubled_at": {"$ifNull": ["$troubled_at", "$$NOW"]},
            "error": {"$literal": error},
            "troubles": {"$add": ["$troubles", 1]},
            "faults": {"$add": ["$faults", int(fault)]},
        }
        return await self._held(letter, change, sound=not fault)

    @guarded
    async def sent(self, letter: Letter, keep: float) -> None:
        """Record that it was sent, whoever holds it by now: it must not go once more."""
        await self._mail.update_one(
            {"_id": letter.id, "status": {"$ne": Mailing.SENT}},
            [{"$set": {**_ended(Mailing.SENT, keep), "error": None}}],
        )

    @guarded
    async def fail(self, letter: Letter, error: str, keep: float) -> bool:
        change = {**_ended(Mailing.FAILED, keep), "error": {"$literal": error}}
        return await self._held(letter, change)


def _ended(status: Mailing, keep: float) -> Document:
    return {"status": status, "lease": None, "ended_at": "$$NOW", "expires_at": after(keep)}
