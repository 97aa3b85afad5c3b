"""Since when the dashboard's alerts exist."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from models.store.mongo.repository import Repository


class AlertLog(Repository, collection="state"):
    """The document ``alerts``: {since: {code: time}}. One program at a time writes it."""

    async def record(self, codes: Collection[str]) -> None:
        """Record which alerts exist now; those that existed before keep their time."""
        known = await self.since()
        gone = {f"since.{code}": "" for code in known if code not in codes}
        new = {f"since.{code}": True for code in codes if code not in known}
        change = {
            **({"$unset": gone} if gone else {}),
            **({"$currentDate": new} if new else {}),
        }
        if change:
            await self._collection.update_one({"_id": "alerts"}, change, upsert=True)

    async def since(self) -> dict[str, datetime]:
        """Return the times since when alerts exist, by code."""
        document = await self._collection.find_one({"_id": "alerts"})
        return dict((document or {}).get("since", {}))
