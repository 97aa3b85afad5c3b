"""Names of results, each held by one task: reserved by an insert, so no two writers share one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import DuplicateKeyError

from models.store.guard import guarded


class Names:
    """The collection ``names``: {_id: result name, task_id, part}."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._names = collection

    @guarded
    async def reserve(self, candidates: Iterable[str], task_id: str, part: int) -> str:
        """Return the first of ``candidates`` that is free or already this task's, now reserved."""
        name = ""
        for name in candidates:
            try:
                await self._names.insert_one({"_id": name, "task_id": task_id, "part": part})
                return name
            except DuplicateKeyError:
                holder = await self._names.find_one({"_id": name})
                if holder and holder["task_id"] == task_id and holder["part"] == part:
                    return name
        raise RuntimeError(f"every name up to {name!a} is taken by another task")

    @guarded
    async def find(self, name: str) -> tuple[str, int] | None:
        """Return (task id, index of the result) that ``name`` stands for."""
        holder = await self._names.find_one({"_id": name})
        return (str(holder["task_id"]), int(holder["part"])) if holder else None
