"""The secret that signs links, made once for all programs that share the database."""

from __future__ import annotations

import secrets
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from models.store.guard import guarded

_KEY = "secret_key"


class Secret:
    """The entry ``secret_key`` of the collection ``state``."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._state = collection

    @guarded
    async def get(self) -> str:
        """Return the secret; whoever asks first makes it."""
        while True:
            try:
                document = await self._state.find_one_and_update(
                    {"_id": _KEY},
                    {"$setOnInsert": {"value": secrets.token_urlsafe(48)}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
                return str(document["value"])
            except DuplicateKeyError:  # another program was first
                continue
