"""The programs that run on a database: one whose settings differ from theirs does not start."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from typing import Any

import structlog

from models.errors import BadSettings
from models.shared_settings import SECRET, SharedSettings
from models.store.mongo.repository import Document, Repository, now_plus, upsert

log = structlog.get_logger()

REFRESH_SECONDS = 5.0
ALIVE_SECONDS = 15.0
"""Three times as long: programs that are silent for longer count as dead."""
_POLL_SECONDS = 1.0  # of a start that waits whether others are alive


class Programs(Repository, collection="state"):
    """The document ``programs``: {running: [{settings, programs, name, seen_at}]}.

    An entry stands for all programs with the same settings: their number, the name of the one that
    renewed it last, and when, by MongoDB's clock. So one of them writes every few seconds, and a
    thousand cost little more. All entries are in one document, so that of two programs that start
    at the same time one sees the other.
    """

    _name = ""
    _shared: SharedSettings

    async def join(self, kind: str, settings: SharedSettings) -> None:
        """Record that this program runs, a ``kind`` (service or worker) with these settings.

        Others that differ are waited for as long as they may be dead: after a crash any settings
        pass, a little later.

        Raises:
            BadSettings: programs that differ are alive.
        """
        self._name = f"{kind} {socket.gethostname()}:{os.getpid()}"
        self._shared = settings
        await upsert(self._collection, {"_id": "programs"}, {"$setOnInsert": {"running": []}})
        before: list[Any] | None = None
        while not await self._record(joining=1):
            found = await self._differing()
            if before is None:
                before = [each["seen_at"] for each in found]
                log.warning("settings_differ", waiting_whether_alive=[e["name"] for e in found])
            elif alive := [each for each in found if each["seen_at"] not in before]:
                raise BadSettings(_refusal(self._database.name, settings, alive))
            await asyncio.sleep(_POLL_SECONDS)

    async def refresh(self) -> None:
        """Record that programs with these settings still run, unless another one just has."""
        renewed = {"$gt": ["$$this.seen_at", now_plus(-REFRESH_SECONDS)]}
        recent = _filter({"$and": [self._same, renewed]})
        query = {"_id": "programs", "$expr": {"$ne": [recent, []]}}
        if not await self._collection.find_one(query, {"_id": 1}):
            await self._record()

    async def leave(self) -> None:
        """Record that this program has ended."""
        one_less = {"programs": {"$subtract": ["$$this.programs", {"$cond": [self._same, 1, 0]}]}}
        left = {"$map": {"input": "$running", "in": {"$mergeObjects": ["$$this", one_less]}}}
        await self._change(_filter({"$gt": ["$$this.programs", 0]}, left))

    async def _record(self, joining: int = 0) -> bool:
        """Renew the entry, with ``joining`` more programs; False if programs that differ run."""
        mine = _filter({"$and": [_ALIVE, self._same]})
        count = {"$sum": {"$map": {"input": mine, "in": "$$this.programs"}}}
        entry = {
            "settings": {"$literal": self._shared},
            "programs": {"$max": [1, {"$add": [count, joining]}]},
            "name": {"$literal": self._name},
            "seen_at": "$$NOW",
        }
        others = _filter({"$and": [_ALIVE, {"$not": [self._same]}]})
        query = {"_id": "programs", "$expr": {"$eq": [_filter(self._differs), []]}}
        return await self._change({"$concatArrays": [others, [entry]]}, query)

    async def _change(self, running: Document, query: Document | None = None) -> bool:
        change = [{"$set": {"running": running}}]
        done = await self._collection.update_one(query or {"_id": "programs"}, change)
        return done.matched_count == 1

    async def _differing(self) -> list[Document]:
        rows = self._collection.aggregate(
            [{"$match": {"_id": "programs"}}, {"$project": {"running": _filter(self._differs)}}]
        )
        return [each async for row in rows for each in row["running"]]

    @property
    def _same(self) -> Document:
        """The expression for whether an entry is that of programs with these settings."""
        return {"$eq": ["$$this.settings", {"$literal": self._shared}]}

    @property
    def _differs(self) -> Document:
        """The expression for whether those of an entry are alive and differ in what both set."""
        differ = []
        for name, values in self._shared.items():
            here = {"$literal": values}
            there = {"$ifNull": [f"$$this.settings.{name}", here]}
            differ.append({"$eq": [{"$setIntersection": [here, there]}, []]})
        return {"$and": [_ALIVE, {"$or": differ}]}


_ALIVE: Document = {"$gt": ["$$this.seen_at", now_plus(-ALIVE_SECONDS)]}


def _filter(condition: Document, entries: Document | str = "$running") -> Document:
    return {"$filter": {"input": entries, "cond": condition}}


def _refusal(database: str, here: SharedSettings, others: Iterable[Document]) -> str:
    found: dict[str, list[str]] = {}
    for each in others:
        more = f" and {each['programs'] - 1} more" if each["programs"] > 1 else ""
        for name, values in here.items():
            there = each["settings"].get(name, values)
            if not {*values} & {*there}:
                fact = f"{name} is {values[0]} here and {there[0]} in"
                if name in SECRET:
                    fact = f"{name} differs from that of"
                found.setdefault(fact, []).append(f"{each['name']}{more}")
    said = "; ".join(f"{fact} the {', the '.join(names)}" for fact, names in found.items())
    return (
        f"{said}. All programs on the database {database} (MONGO_DB) need the same: start this one "
        "with what the others have, or stop all others first, and start them with the new value"
    )
