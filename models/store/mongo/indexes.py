"""Create the indexes of all collections at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ASCENDING, IndexModel

Keys = str | list[tuple[str, int]]


class Indexes:
    """Indexes that the classes of the store declare; one command creates those of a collection.

    Each program does so when it starts, and 40 commands would take 30 ms of its processor time.
    """

    def __init__(self) -> None:
        self._models: dict[str, list[IndexModel]] = defaultdict(list)
        self._collections: dict[str, AsyncIOMotorCollection[Mapping[str, Any]]] = {}

    def add(self, collection: AsyncIOMotorCollection[Any], keys: Keys, **options: Any) -> None:
        """Declare an index of ``collection``; ``keys``: one field, or (field, direction) pairs."""
        pairs = [(keys, ASCENDING)] if isinstance(keys, str) else keys
        self._models[collection.name].append(IndexModel(pairs, **options))
        self._collections[collection.name] = collection

    async def create(self) -> None:
        """Create the indexes that do not exist."""
        # One after the other: at once they would open a connection each.
        for name, models in self._models.items():
            await self._collections[name].create_indexes(models)
