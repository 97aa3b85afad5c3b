"""The secret that signs links, made once for all programs that share the database."""

from __future__ import annotations

import secrets
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection

from models.store.mongo.errors import guarded
from models.store.mongo.upsert import upserted

_KEY = "secret_key"


class Secret:
    """The entry ``secret_key`` of the collection ``state``."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._state = collection

    @guarded
    async def get(self) -> str:
        """Return the secret; whoever asks first makes it."""
        made = {"$setOnInsert": {"value": secrets.token_urlsafe(48)}}
        return str((await upserted(self._state, {"_id": _KEY}, made))["value"])
