"""Tasks as an operator looks at them: newest first, filtered, searched, a page at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import ExecutionTimeout

from models.errors import BadParameter
from models.store.mongo.errors import guarded
from models.store.mongo.server_time import now
from models.tasks.task import Status, Task

Document = dict[str, Any]

_CURSOR = re.compile(r"([0-9]{1,14})-([0-9a-f]{1,64})")
_HEX = re.compile(r"[0-9a-f]{1,32}")
_LAST = "\U0010ffff"  # sorts behind whatever a name goes on with
_MOST_CODES = 20  # kinds of failures that are told apart
_NEWEST = [("created_at", DESCENDING), ("_id", DESCENDING)]


@dataclass(frozen=True)
class Wanted:
    """Which tasks: each filter that is given must hold.

    ``search``: how the task's id or the name of a picture begins, as it is written. ``after``: the
    cursor of the page before.
    """

    status: Status | None = None
    operation: str = ""
    worker: str = ""
    search: str = ""
    after: str = ""

    def query(self) -> Document:
        """Return the query.

        Raises:
            BadParameter: ``after`` is no cursor.
        """
        every: list[Document] = []
        if self.status is not None:
            every.append({"status": self.status})
        if self.operation:
            every.append({"operations.op": self.operation})
        if self.worker:
            every.append({"worker": self.worker})
        if self.search:
            every.append({"$or": _beginning(self.search)})
        if self.after:
            at, task_id = _read(self.after)
            before = [{"created_at": {"$lt": at}}, {"_id": {"$lt": task_id}}]
            every += [{"created_at": {"$lte": at}}, {"$or": before}]
        return {"$and": every} if every else {}


@dataclass(frozen=True)
class Lately:
    """Tasks that ended in some time; ``codes``: errors and how often, most frequent first."""

    succeeded: int
    failed: int
    cancelled: int
    codes: dict[str, int]


class Board:
    """The collection ``tasks``, read; each look takes at most ``seconds``."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], seconds: float) -> None:
        self._database = database
        self._tasks = database["tasks"]
        self._limit = max(1, round(seconds * 1000))

    async def prepare(self) -> None:
        await self._tasks.create_index(_NEWEST)
        for field in ("status", "operations.op"):
            await self._tasks.create_index([(field, ASCENDING), *_NEWEST])
        await self._tasks.create_index(
            [("worker", ASCENDING), *_NEWEST], partialFilterExpression={"worker": {"$gt": ""}}
        )

    @guarded
    async def page(self, wanted: Wanted, limit: int) -> tuple[list[Task], str | None]:
        """Return up to ``limit`` tasks and the cursor of the page that follows, if one does.

        Raises:
            BadParameter: the cursor is none, or so much was looked through that time was up.
        """
        found = self._tasks.find(wanted.query()).sort(_NEWEST).limit(limit + 1)
        try:
            documents = await found.max_time_ms(self._limit).to_list(limit + 1)
        except ExecutionTimeout:
            raise BadParameter(
                f"this takes longer than {self._limit / 1000:g} s (STORE_TIMEOUT); fewer filters "
                "at once, or a longer beginning of the name, are found faster",
                setting="STORE_TIMEOUT",
                limit=self._limit / 1000,
            ) from None
        tasks = [Task.model_validate(document) for document in documents[:limit]]
        more = len(documents) > limit
        return tasks, _cursor(tasks[-1]) if more else None

    @guarded
    async def lately(self, seconds: float) -> Lately:
        """Return how tasks ended in the last ``seconds``."""
        by_code = {"_id": {"status": "$status", "code": "$error.code"}, "count": {"$sum": 1}}
        since = await now(self._database) - timedelta(seconds=seconds)
        ended = self._tasks.aggregate(
            [
                {"$match": {"finished_at": {"$gt": since}}},
                {"$group": by_code},
                {"$sort": {"count": -1}},
            ],
            maxTimeMS=self._limit,
        )
        counts = dict.fromkeys(map(str, Status), 0)
        codes: dict[str, int] = {}
        async for each in ended:
            status, code = each["_id"]["status"], each["_id"].get("code")
            counts[status] = counts.get(status, 0) + each["count"]
            if status == Status.FAILURE and len(codes) < _MOST_CODES:
                codes[str(code)] = each["count"]
        return Lately(
            counts[Status.SUCCESS], counts[Status.FAILURE], counts[Status.CANCELLED], codes
        )


def _beginning(text: str) -> list[Document]:
    """Return conditions for ids and names that begin with ``text``: ranges, never patterns."""
    ranges: list[Document] = [
        {"uploads": {"$elemMatch": {"name": {"$gte": text, "$lt": text + _LAST}}}}
    ]
    if _HEX.fullmatch(text.lower()):
        ranges.append({"_id": {"$gte": text.lower(), "$lt": text.lower() + "g"}})
    return ranges


def _cursor(task: Task) -> str:
    return f"{round(task.created_at.timestamp() * 1000)}-{task.id}"


def _read(cursor: str) -> tuple[datetime, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadParameter(
            "after takes what a page before said as its next, e.g. after=1700000000000-0ab1",
            parameter="after",
        )
    return datetime.fromtimestamp(int(found[1]) / 1000, UTC), found[2]
