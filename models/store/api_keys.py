"""API keys: ``python -m service keys`` creates, lists and revokes them; the service reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument

from models.auth.api_key import USED_AT_PRECISION, ApiKey, Scope, digest, new_id, new_token
from models.store.mongo.errors import translate_errors
from models.store.mongo.server_time import now_plus

_LIVE: dict[str, Any] = {
    "revoked_at": None,
    "$expr": {"$or": [{"$eq": ["$expires_at", None]}, {"$gt": ["$expires_at", "$$NOW"]}]},
}


class ApiKeys:
    """The collection ``keys``; see ``models.auth.api_key.ApiKey``."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._keys = collection

    @translate_errors
    async def create(
        self, name: str, scopes: Sequence[Scope], seconds: float | None = None
    ) -> tuple[ApiKey, str]:
        """Store a new key; return it and its token. ``seconds``: its lifetime, None for ever."""
        key_id = new_id()
        token = new_token(key_id)
        document: dict[str, Any] = {
            "name": {"$literal": name},
            "scopes": [str(scope) for scope in scopes],
            "digest": digest(token),
            "made": 0,
            "created_at": "$$NOW",
            "expires_at": None if seconds is None else now_plus(seconds),
            "revoked_at": None,
            "used_at": None,
        }
        made = await self._keys.find_one_and_update(
            {"_id": key_id},
            [{"$set": document}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return ApiKey.model_validate(made), token

    @translate_errors
    async def rotate(self, key_id: str) -> tuple[ApiKey, str] | None:
        """Replace the secret of a live key; the old one stops working. None without a live key."""
        token = new_token(key_id)
        change = {"$set": {"digest": digest(token)}, "$inc": {"made": 1}}
        made = await self._keys.find_one_and_update(
            {"_id": key_id, **_LIVE}, change, return_document=ReturnDocument.AFTER
        )
        return (ApiKey.model_validate(made), token) if made else None

    @translate_errors
    async def revoke(self, key_id: str) -> ApiKey | None:
        """Revoke a key for good; None if it does not exist. Revoking again changes nothing."""
        first = {"$ifNull": ["$revoked_at", "$$NOW"]}
        found = await self._keys.find_one_and_update(
            {"_id": key_id},
            [{"$set": {"revoked_at": first}}],
            return_document=ReturnDocument.AFTER,
        )
        return ApiKey.model_validate(found) if found else None

    @translate_errors
    async def get(self, key_id: str) -> ApiKey | None:
        found = await self._keys.find_one({"_id": key_id})
        return ApiKey.model_validate(found) if found else None

    @translate_errors
    async def all(self) -> list[ApiKey]:
        """Return all keys, revoked and expired ones included, oldest first."""
        return [
            ApiKey.model_validate(each) async for each in self._keys.find().sort("created_at", 1)
        ]

    @translate_errors
    async def any_live(self) -> bool:
        return await self._keys.find_one(_LIVE, {"_id": 1}) is not None

    @translate_errors
    async def mark_used(self, key_id: str) -> None:
        """Record that the key was used, unless that was recorded recently."""
        recently = {"$gt": ["$used_at", now_plus(-USED_AT_PRECISION.total_seconds())]}
        await self._keys.update_one(
            {"_id": key_id, "$expr": {"$not": [recently]}}, [{"$set": {"used_at": "$$NOW"}}]
        )
