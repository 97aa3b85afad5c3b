"""Result names, each held by one task: an insert reserves them, so no two writers share one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from models.auth.visibility import scoped
from models.store.mongo.repository import Repository, insert_new


def name_id(name: str, owner: str) -> str:
    """Return the document id of a result name; names contain no slash."""
    return scoped(owner, name, "/")


def _entry(name: str, task_id: str, part: int, owner: str, at: datetime) -> dict[str, Any]:
    return {"_id": name_id(name, owner), "task_id": task_id, "part": part, "at": at}


class ResultNames(Repository, collection="names"):
    """The collection ``names``: {_id: owner and result name, task_id, part, at}.

    A name is reserved before its task is created. ``at``, the time of its last reservation, tells
    a name whose task is about to come from one whose task never came.
    """

    async def reserve(
        self, wanted: Sequence[Iterable[str]], task_id: str, owner: str = ""
    ) -> list[str]:
        """Reserve a name for each part of a task of ``owner``; return the names.

        ``wanted``: candidates for each part, best first; the first that is free or already this
        task's is reserved. One insert tries the best candidates of all parts.
        """
        candidates = [list(names) for names in wanted]
        at = await self._now()
        entries = [_entry(n[0], task_id, part, owner, at) for part, n in enumerate(candidates)]
        taken = await insert_new(self._collection, entries)
        return [
            await self._reserve_first_free(names, task_id, part, owner)
            if part in taken
            else names[0]
            for part, names in enumerate(candidates)
        ]

    async def _reserve_first_free(
        self, candidates: Iterable[str], task_id: str, part: int, owner: str
    ) -> str:
        name = ""
        for name in candidates:
            entry = _entry(name, task_id, part, owner, await self._now())
            if await self._reserve_one(entry):
                return name
        raise RuntimeError(f"every name up to {name!a} is taken by another task")

    async def _reserve_one(self, entry: dict[str, Any]) -> bool:
        """Insert the entry, or renew it if it is this task's; False if another task has it."""
        same_task = {key: entry[key] for key in ("_id", "task_id", "part")}
        while True:
            if not await insert_new(self._collection, [entry]):
                return True
            renewed = await self._collection.update_one(same_task, {"$set": {"at": entry["at"]}})
            if renewed.matched_count:
                return True
            if await self._collection.find_one({"_id": entry["_id"]}, {"_id": 1}) is not None:
                return False
            # It existed, and was removed just now because its task never came.

    async def find(self, name: str, owner: str = "") -> tuple[str, int] | None:
        """Return (task id, index of the result) for ``name`` of ``owner``."""
        if "/" in name:  # not a name: an anonymous request could reach another owner's names
            return None
        holder = await self._find_certain({"_id": name_id(name, owner)})
        return (str(holder["task_id"]), int(holder["part"])) if holder else None
