"""Task search for the dashboard: newest first, filtered, searched, paged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pymongo import DESCENDING
from pymongo.errors import ExecutionTimeout

from models.errors import BadParameter
from models.store.mongo.repository import Document, Repository
from models.tasks.task import Status, Task

_CURSOR = re.compile(r"([0-9]{1,14})-([0-9a-f]{1,64})")
_HEX = re.compile(r"[0-9a-f]{1,32}")
_HIGHEST_CHARACTER = "\U0010ffff"  # sorts after any continuation of a name
_MAX_ERROR_CODES = 20  # listed separately
_NEWEST_FIRST = [("created_at", DESCENDING), ("_id", DESCENDING)]


@dataclass(frozen=True)
class TaskFilter:
    """Filters for tasks; all that are given must match.

    ``search``: a prefix of the task's id or, case-sensitively, of an upload's name. ``after``: the
    cursor of the previous page.
    """

    status: Status | None = None
    operation: str = ""
    worker: str = ""
    search: str = ""
    after: str = ""

    def query(self) -> Document:
        """Return the MongoDB query.

        Raises:
            BadParameter: ``after`` is not a valid cursor.
        """
        conditions: list[Document] = []
        if self.status is not None:
            conditions.append({"status": self.status})
        if self.operation:
            conditions.append({"operations.op": self.operation})
        if self.worker:
            conditions.append({"worker": self.worker})
        if self.search:
            conditions.append({"$or": _prefix_conditions(self.search)})
        if self.after:
            at, task_id = _decode_cursor(self.after)
            before = [{"created_at": {"$lt": at}}, {"_id": {"$lt": task_id}}]
            conditions += [{"created_at": {"$lte": at}}, {"$or": before}]
        return {"$and": conditions} if conditions else {}


@dataclass(frozen=True)
class TaskOutcomes:
    """Counts of tasks that ended in a time span; ``codes``: error codes, most frequent first."""

    succeeded: int
    failed: int
    cancelled: int
    codes: dict[str, int]


class TaskSearch(Repository):
    """Queries over the collection ``tasks``, each of which takes at most STORE_TIMEOUT."""

    async def page(self, task_filter: TaskFilter, limit: int) -> tuple[list[Task], str | None]:
        """Return up to ``limit`` tasks, and the cursor of the next page if there is one.

        Raises:
            BadParameter: the cursor is invalid, or the query exceeded its time limit.
        """
        cursor = self._tasks.find(task_filter.query()).sort(_NEWEST_FIRST).limit(limit + 1)
        try:
            documents = await cursor.max_time_ms(self._limit_ms).to_list(limit + 1)
        except ExecutionTimeout:
            raise BadParameter(
                f"the search takes longer than {self._limit_ms / 1000:g} s (STORE_TIMEOUT); use "
                "fewer filters at once, or a longer prefix of the name",
                setting="STORE_TIMEOUT",
                limit=self._limit_ms / 1000,
            ) from None
        tasks = [Task.model_validate(document) for document in documents[:limit]]
        more = len(documents) > limit
        return tasks, _encode_cursor(tasks[-1]) if more else None

    async def outcomes(self, seconds: float) -> TaskOutcomes:
        """Return the counts of tasks that ended in the last ``seconds``."""
        by_code = {"_id": {"status": "$status", "code": "$error.code"}, "count": {"$sum": 1}}
        since = await self._server_now() - timedelta(seconds=seconds)
        ended = self._tasks.aggregate(
            [
                {"$match": {"finished_at": {"$gt": since}}},
                {"$group": by_code},
                {"$sort": {"count": -1}},
            ],
            maxTimeMS=self._limit_ms,
        )
        counts = dict.fromkeys(map(str, Status), 0)
        codes: dict[str, int] = {}
        async for row in ended:
            status, code = row["_id"]["status"], row["_id"].get("code")
            counts[status] = counts.get(status, 0) + row["count"]
            if status == Status.FAILURE and len(codes) < _MAX_ERROR_CODES:
                codes[str(code)] = row["count"]
        return TaskOutcomes(
            counts[Status.SUCCESS], counts[Status.FAILURE], counts[Status.CANCELLED], codes
        )


def _prefix_conditions(text: str) -> list[Document]:
    """Return conditions for ids and names that start with ``text``: ranges, not patterns."""
    ranges: list[Document] = [
        {"uploads": {"$elemMatch": {"name": {"$gte": text, "$lt": text + _HIGHEST_CHARACTER}}}}
    ]
    if _HEX.fullmatch(text.lower()):
        ranges.append({"_id": {"$gte": text.lower(), "$lt": text.lower() + "g"}})
    return ranges


def _encode_cursor(task: Task) -> str:
    return f"{round(task.created_at.timestamp() * 1000)}-{task.id}"


def _decode_cursor(cursor: str) -> tuple[datetime, str]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadParameter(
            "after must be the next value of a previous page, e.g. after=1700000000000-0ab1",
            parameter="after",
        )
    return datetime.fromtimestamp(int(match[1]) / 1000, UTC), match[2]
