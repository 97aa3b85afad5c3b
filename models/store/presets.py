"""Presets of API keys: one document for each owner, so that their number is limited exactly."""

from __future__ import annotations

from models.store.mongo.repository import Repository, upsert

MAX_PRESETS = 50
"""Of one owner: they are listed with each look at the page."""


class OwnedPresets(Repository, collection="presets"):
    """The collection ``presets``: JSON texts by name, of each owner.

    Texts, since operations have names of parameters as keys, and MongoDB's have rules of their own.
    A name must match ``models.presets.NAME_PATTERN``: it is part of a path.
    """

    async def put(self, owner: str, name: str, text: str) -> bool:
        """Store a preset in place of one of its name; False: the owner has MAX_PRESETS others."""
        key = f"named.{name}"
        count = {"$size": {"$objectToArray": "$named"}}
        room = {"$or": [{key: {"$exists": True}}, {"$expr": {"$lt": [count, MAX_PRESETS]}}]}
        await upsert(self._collection, {"_id": owner}, {"$setOnInsert": {"named": {}}})
        done = await self._collection.update_one({"_id": owner, **room}, {"$set": {key: text}})
        return done.matched_count > 0

    async def get(self, owner: str, name: str) -> str | None:
        """Return the text of a preset; None only if none was acknowledged."""
        found = await self._find_certain({"_id": owner, f"named.{name}": {"$exists": True}})
        return str(found["named"][name]) if found else None

    async def all(self, owner: str) -> dict[str, str]:
        """Return the texts of all presets of ``owner`` by name."""
        found = await self._find_certain({"_id": owner})
        return dict(sorted(found["named"].items())) if found else {}

    async def delete(self, owner: str, name: str) -> bool:
        """Delete a preset; False if there is none of that name."""
        key = f"named.{name}"
        done = await self._collection.update_one(
            {"_id": owner, key: {"$exists": True}}, {"$unset": {key: ""}}
        )
        return done.modified_count > 0

    async def delete_all(self, owner: str) -> None:
        """Delete all presets of ``owner``, whose key was revoked."""
        await self._collection.delete_one({"_id": owner})
