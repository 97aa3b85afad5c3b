"""The secret key that signs links: generated once, shared by all programs on the database."""

from __future__ import annotations

import secrets
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import translate_errors
from models.store.mongo.upsert import upsert

_STATE_ID = "secret_key"


class SharedSecret:
    """The entry ``secret_key`` of the collection ``state``."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._state = collection

    @translate_errors
    async def get(self) -> str:
        """Return the secret; the first caller generates it."""
        generated = {"$setOnInsert": {"value": secrets.token_urlsafe(48)}}
        return str((await upsert(self._state, {"_id": _STATE_ID}, generated))["value"])
