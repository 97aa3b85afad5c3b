"""Names of results, each held by one task: reserved by an insert, so no two writers share one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from models.store.guard import guarded

_DUPLICATE = 11000  # MongoDB's error code DuplicateKey


def _entry(name: str, task_id: str, part: int) -> dict[str, Any]:
    return {"_id": name, "task_id": task_id, "part": part}


class Names:
    """The collection ``names``: {_id: result name, task_id, part}."""

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._names = collection

    @guarded
    async def reserve(self, wanted: Sequence[Iterable[str]], task_id: str) -> list[str]:
        """Return a name for each part of a task, now reserved.

        ``wanted``: candidates for each part, best first; the first is taken that is free or already
        this task's. The best of all parts are asked for at once.
        """
        candidates = [list(names) for names in wanted]
        entries = [_entry(names[0], task_id, part) for part, names in enumerate(candidates)]
        try:
            await self._names.insert_many(entries, ordered=False)
        except BulkWriteError as error:
            problems = (error.details or {}).get("writeErrors", [])
            if not problems or any(problem["code"] != _DUPLICATE for problem in problems):
                raise
            taken = {int(problem["index"]) for problem in problems}
            return [
                await self._free(names, task_id, part) if part in taken else names[0]
                for part, names in enumerate(candidates)
            ]
        return [names[0] for names in candidates]

    async def _free(self, candidates: Iterable[str], task_id: str, part: int) -> str:
        name = ""
        for name in candidates:
            try:
                await self._names.insert_one(_entry(name, task_id, part))
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
