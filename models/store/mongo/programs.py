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
"""Three times as long: a program that is silent for longer counts as dead."""
_POLL_SECONDS = 1.0  # of a start that waits whether others are alive
_MAX_NAMED = 3


class Programs(Repository, collection="state"):
    """The document ``programs``: {running: [{name, seen_at, settings}]}, by MongoDB's clock.

    All in one document, so that of two programs that start at the same time one sees the other.
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
        before: dict[str, Any] | None = None
        while not await self.refresh():
            found = await self._differing()
            if before is None:
                before = {each["name"]: each["seen_at"] for each in found}
                log.warning("settings_differ", waiting_whether_alive=[*before])
            elif alive := [each for each in found if each["seen_at"] != before.get(each["name"])]:
                raise BadSettings(_refusal(self._database.name, settings, alive))
            await asyncio.sleep(_POLL_SECONDS)

    async def refresh(self) -> bool:
        """Record that this program still runs; False, and nothing is recorded, if others differ."""
        name = {"$literal": self._name}
        me = {
            "$mergeObjects": [{"$literal": {"name": self._name, "settings": self._shared}}, _SEEN]
        }
        # In its place: MongoDB then replicates one time, and not the list, which may be long.
        mine = {"$eq": ["$$this.name", name]}
        kept = {"$filter": {"input": "$running", "cond": {"$or": [mine, _ALIVE]}}}
        renewed = {"$map": {"input": kept, "in": {"$cond": [mine, me, "$$this"]}}}
        added = {"$concatArrays": [self._others, [me]]}
        change = {"$cond": [{"$in": [name, "$running.name"]}, renewed, added]}
        query = {"_id": "programs", "$expr": {"$eq": [self._that_differ, []]}}
        done = await self._collection.update_one(query, [{"$set": {"running": change}}])
        return done.matched_count == 1

    async def leave(self) -> None:
        """Record that this program has ended."""
        change = {"$pull": {"running": {"name": self._name}}}
        await self._collection.update_one({"_id": "programs"}, change)

    async def _differing(self) -> list[Document]:
        rows = self._collection.aggregate(
            [{"$match": {"_id": "programs"}}, {"$project": {"running": self._that_differ}}]
        )
        return [each async for row in rows for each in row["running"]]

    @property
    def _others(self) -> Document:
        """The expression for the other programs that are alive."""
        other = {"$ne": ["$$this.name", {"$literal": self._name}]}
        return {"$filter": {"input": "$running", "cond": {"$and": [_ALIVE, other]}}}

    @property
    def _that_differ(self) -> Document:
        """The expression for those of them that differ in a setting that both have."""
        differ = []
        for name, values in self._shared.items():
            here = {"$literal": values}
            there = {"$ifNull": [f"$$this.settings.{name}", here]}
            differ.append({"$eq": [{"$setIntersection": [here, there]}, []]})
        return {"$filter": {"input": self._others, "cond": {"$or": differ}}}


_SEEN: Document = {"seen_at": "$$NOW"}
_ALIVE: Document = {"$gt": ["$$this.seen_at", now_plus(-ALIVE_SECONDS)]}


def _refusal(database: str, here: SharedSettings, others: Iterable[Document]) -> str:
    found: dict[str, list[str]] = {}
    for each in others:
        for name, values in here.items():
            there = each["settings"].get(name, values)
            if not {*values} & {*there}:
                fact = f"{name} is {values[0]} here and {there[0]} in"
                if name in SECRET:
                    fact = f"{name} differs from that of"
                found.setdefault(fact, []).append(each["name"])
    said = "; ".join(f"{fact} the {_listed(programs)}" for fact, programs in found.items())
    return (
        f"{said}. All programs on the database {database} (MONGO_DB) need the same: start this one "
        "with what the others have, or stop all others first, and start them with the new value"
    )


def _listed(programs: list[str]) -> str:
    more = f" and {len(programs) - _MAX_NAMED} more" if len(programs) > _MAX_NAMED else ""
    return ", ".join(programs[:_MAX_NAMED]) + more
