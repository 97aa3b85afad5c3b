"""API keys: made, shown and revoked by ``python -m service keys``, looked up by the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument

from models.auth.api_key import COARSE, Key, Scope, digest, new_id, new_token
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import after

_LIVE: dict[str, Any] = {
    "revoked_at": None,
    "$expr": {"$or": [{"$eq": ["$expires_at", None]}, {"$gt": ["$expires_at", "$$NOW"]}]},
}


class Keys:
    """The collection ``keys``; see ``models.auth.api_key.Key``."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._keys = collection

    @guarded
    async def create(
        self, name: str, scopes: Sequence[Scope], seconds: float | None = None
    ) -> tuple[Key, str]:
        """Keep a new key; return it, and what its owner shows. ``seconds``: how long it is good."""
        key_id = new_id()
        token = new_token(key_id)
        document: dict[str, Any] = {
            "name": {"$literal": name},
            "scopes": [str(scope) for scope in scopes],
            "digest": digest(token),
            "made": 0,
            "created_at": "$$NOW",
            "expires_at": None if seconds is None else after(seconds),
            "revoked_at": None,
            "used_at": None,
        }
        made = await self._keys.find_one_and_update(
            {"_id": key_id},
            [{"$set": document}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return Key.model_validate(made), token

    @guarded
    async def rotate(self, key_id: str) -> tuple[Key, str] | None:
        """Give a live key a new secret; the old one is void. None if there is no such key."""
        token = new_token(key_id)
        change = {"$set": {"digest": digest(token)}, "$inc": {"made": 1}}
        made = await self._keys.find_one_and_update(
            {"_id": key_id, **_LIVE}, change, return_document=ReturnDocument.AFTER
        )
        return (Key.model_validate(made), token) if made else None

    @guarded
    async def revoke(self, key_id: str) -> Key | None:
        """Void a key for good; None if there is none. One that is revoked stays so."""
        first = {"$ifNull": ["$revoked_at", "$$NOW"]}
        found = await self._keys.find_one_and_update(
            {"_id": key_id},
            [{"$set": {"revoked_at": first}}],
            return_document=ReturnDocument.AFTER,
        )
        return Key.model_validate(found) if found else None

    @guarded
    async def get(self, key_id: str) -> Key | None:
        found = await self._keys.find_one({"_id": key_id})
        return Key.model_validate(found) if found else None

    @guarded
    async def every(self) -> list[Key]:
        """Return all keys, those too that are void, oldest first."""
        return [Key.model_validate(each) async for each in self._keys.find().sort("created_at", 1)]

    @guarded
    async def any_live(self) -> bool:
        return await self._keys.find_one(_LIVE, {"_id": 1}) is not None

    @guarded
    async def used(self, key_id: str) -> None:
        """Note that the key is in use, if that was not done lately."""
        lately = {"$gt": ["$used_at", after(-COARSE.total_seconds())]}
        await self._keys.update_one(
            {"_id": key_id, "$expr": {"$not": [lately]}}, [{"$set": {"used_at": "$$NOW"}}]
        )
