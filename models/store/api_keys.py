"""API keys: ``python -m service keys`` creates, lists and revokes them; the service reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import ReturnDocument

from models.auth.api_key import USED_AT_PRECISION, ApiKey, Scope, digest, new_id, new_token
from models.store.mongo.repository import Repository, now_plus

_LIVE: dict[str, Any] = {
    "revoked_at": None,
    "$expr": {"$or": [{"$eq": ["$expires_at", None]}, {"$gt": ["$expires_at", "$$NOW"]}]},
}


class ApiKeys(Repository, collection="keys"):
    """The collection ``keys``; see ``models.auth.api_key.ApiKey``."""

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
        made = await self._collection.find_one_and_update(
            {"_id": key_id},
            [{"$set": document}],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return await self._key(made), token

    async def rotate(self, key_id: str) -> tuple[ApiKey, str] | None:
        """Replace the secret of a live key; the old one stops working. None without a live key."""
        token = new_token(key_id)
        change = {"$set": {"digest": digest(token)}, "$inc": {"made": 1}}
        made = await self._collection.find_one_and_update(
            {"_id": key_id, **_LIVE}, change, return_document=ReturnDocument.AFTER
        )
        return (await self._key(made), token) if made else None

    async def revoke(self, key_id: str) -> ApiKey | None:
        """Revoke a key for good; None if it does not exist. Revoking again changes nothing."""
        first = {"$ifNull": ["$revoked_at", "$$NOW"]}
        found = await self._collection.find_one_and_update(
            {"_id": key_id},
            [{"$set": {"revoked_at": first}}],
            return_document=ReturnDocument.AFTER,
        )
        return await self._key(found) if found else None

    async def get(self, key_id: str) -> ApiKey | None:
        found = await self._find_certain({"_id": key_id})
        return await self._key(found) if found else None

    async def _key(self, document: dict[str, Any]) -> ApiKey:
        return ApiKey.model_validate({**document, "seen_at": await self._now()})

    async def all(self) -> list[ApiKey]:
        """Return all keys, revoked and expired ones included, oldest first."""
        found = self._collection.find().sort("created_at", 1)
        return [await self._key(each) async for each in found]

    async def names(self, key_ids: Sequence[str]) -> dict[str, str]:
        """Return the names of those keys that exist, by id."""
        found = self._collection.find({"_id": {"$in": list(key_ids)}}, {"name": 1})
        return {str(each["_id"]): str(each["name"]) async for each in found}

    async def any_live(self) -> bool:
        return await self._collection.find_one(_LIVE, {"_id": 1}) is not None

    async def mark_used(self, key_id: str) -> None:
        """Record that the key was used, unless that was recorded recently."""
        recently = {"$gt": ["$used_at", now_plus(-USED_AT_PRECISION.total_seconds())]}
        await self._collection.update_one(
            {"_id": key_id, "$expr": {"$not": [recently]}}, [{"$set": {"used_at": "$$NOW"}}]
        )
