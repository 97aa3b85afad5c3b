"""Names of results, each held by one task: reserved by an insert, so no two writers share one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError, DuplicateKeyError

from models.auth.visibility import scoped
from models.store.mongo.errors import guarded

_DUPLICATE = 11000  # MongoDB's error code DuplicateKey


def key(name: str, owner: str) -> str:
    """Return the id of a result's name; no name has a slash in it."""
    return scoped(owner, name, "/")


def _entry(name: str, task_id: str, part: int, owner: str) -> dict[str, Any]:
    return {"_id": key(name, owner), "task_id": task_id, "part": part, "at": datetime.now(UTC)}


class Names:
    """The collection ``names``: {_id: result name behind its owner's, task_id, part, at}.

    A name is reserved before its task is made; ``at``, when it last was, tells one whose task is on
    its way from one whose task never came (by the clock of who asked, as all ages of ids are).
    """

    def __init__(self, collection: AsyncIOMotorCollection[dict[str, Any]]) -> None:
        self._names = collection

    @guarded
    async def reserve(
        self, wanted: Sequence[Iterable[str]], task_id: str, owner: str = ""
    ) -> list[str]:
        """Return a name for each part of a task of ``owner``, now reserved.

        ``wanted``: candidates for each part, best first; the first is taken that is free or already
        this task's. The best of all parts are asked for at once.
        """
        candidates = [list(names) for names in wanted]
        entries = [_entry(n[0], task_id, part, owner) for part, n in enumerate(candidates)]
        try:
            await self._names.insert_many(entries, ordered=False)
        except BulkWriteError as error:
            problems = (error.details or {}).get("writeErrors", [])
            if not problems or any(problem["code"] != _DUPLICATE for problem in problems):
                raise
            taken = {int(problem["index"]) for problem in problems}
            return [
                await self._free(names, task_id, part, owner) if part in taken else names[0]
                for part, names in enumerate(candidates)
            ]
        return [names[0] for names in candidates]

    async def _free(self, candidates: Iterable[str], task_id: str, part: int, owner: str) -> str:
        name = ""
        for name in candidates:
            if await self._reserved(_entry(name, task_id, part, owner)):
                return name
        raise RuntimeError(f"every name up to {name!a} is taken by another task")

    async def _reserved(self, entry: dict[str, Any]) -> bool:
        """Insert the entry, or renew it where it is this task's; False if it is another's."""
        mine = {key: entry[key] for key in ("_id", "task_id", "part")}
        while True:
            with contextlib.suppress(DuplicateKeyError):
                await self._names.insert_one(entry)
                return True
            renewed = await self._names.update_one(mine, {"$set": {"at": entry["at"]}})
            if renewed.matched_count:
                return True
            if await self._names.find_one({"_id": entry["_id"]}, {"_id": 1}) is not None:
                return False
            # It was there, and was removed just now because its task never came.

    @guarded
    async def find(self, name: str, owner: str = "") -> tuple[str, int] | None:
        """Return (task id, index of the result) that ``name`` of ``owner`` stands for."""
        if "/" in name:  # no name: else it would reach, of nobody's, what another owner has
            return None
        holder = await self._names.find_one({"_id": key(name, owner)})
        return (str(holder["task_id"]), int(holder["part"])) if holder else None
