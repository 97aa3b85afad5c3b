"""What all services and workers did, counted by the minute and by the hour: the dashboard's sums.

Counts are added up when something ends, so that a week is read from 168 small documents, however
many tasks and requests it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from models.error_members import BY_CODE
from models.percentiles import BUCKET_GROWTH, LAST_BUCKET
from models.store.mongo.repository import Document, Repository, upsert
from models.store.tasks.measured import COMPUTING_MS
from models.tasks.task import Status

MINUTE, HOUR = 60, 3600  # seconds that one document covers
_FINE_SECONDS = 6 * HOUR  # a longer time is read by the hour
_RETENTION = {MINUTE: timedelta(seconds=_FINE_SECONDS + HOUR), HOUR: timedelta(days=8)}
_MAX_DOCUMENTS = max(_FINE_SECONDS // MINUTE, 7 * 24) + 1
_MAX_KEYS = 100  # counted separately in one document; what further keys do counts as "other"

ANONYMOUS, OTHER = "anonymous", "other"
"""Instead of the id of a key: tasks without one; tasks of further keys."""


def code_label(code: object) -> str:
    """Return an error code, or "other" for one that this version does not know."""
    return code if isinstance(code, str) and code in BY_CODE else OTHER


@dataclass(frozen=True)
class EndedTasks:
    """Tasks that ended in some seconds: their number by status, and all counts for ``Activity``.

    ``keys``: counts by the key that owns the tasks.
    """

    by_status: Mapping[str, int]
    counts: Mapping[str, int]
    keys: Mapping[str, Mapping[str, int]]


class Activity(Repository, collection="activity"):
    """The collection ``activity``: {_id: {span, at}, refused, failed, request, wait, run, keys}.

    ``refused`` and ``failed`` count error codes; ``request``, ``wait`` and ``run`` durations by
    their bucket (``models.percentiles``); ``keys`` has tasks, failures, bytes of results and
    milliseconds of computing of each API key.
    """

    async def add(self, counts: Mapping[str, int]) -> None:
        """Add counts, by the path of their field, to the current minute and hour.

        If MongoDB fails in between, only one of them may have got the counts.
        """
        if counts:
            now = await self._server_now()
            for span in (HOUR, MINUTE):
                await self._add(span, now, counts)

    async def add_ended(self, ended: EndedTasks) -> None:
        """Add ended tasks. One program at a time does so, which bounds the number of keys."""
        if not ended.by_status:
            return
        now = await self._server_now()
        document = await self._collection.find_one({"_id": _id(HOUR, now)}, {"keys": 1})
        known = set((document or {}).get("keys", {})) - {OTHER}
        counts = Counter(ended.counts)
        for key, sums in ended.keys.items():
            shown = key if key in known or len(known) < _MAX_KEYS else OTHER
            known.add(shown)
            for name, count in sums.items():
                counts[f"keys.{shown}.{name}"] += count
        for span in (HOUR, MINUTE):
            await self._add(span, now, counts)

    async def _add(self, span: int, at: datetime, counts: Mapping[str, int]) -> None:
        found = _id(span, at)
        drop = {"drop_at": found["at"] + _RETENTION[span]}
        change = {"$inc": dict(counts), "$setOnInsert": drop}
        await upsert(self._collection, {"_id": found}, change)

    async def since(self, seconds: float) -> tuple[datetime, int, list[Document]]:
        """Return the begin of the last ``seconds``, rounded down, and the documents from then on.

        In between, the seconds that a document covers: a minute up to six hours, else an hour.
        """
        span = MINUTE if seconds <= _FINE_SECONDS else HOUR
        first = _id(span, await self._server_now() - timedelta(seconds=seconds))
        query = {"_id": {"$gte": first, "$lt": {"span": span + 1}}}
        cursor = self._collection.find(query).sort("_id", 1).max_time_ms(self._limit_ms)
        return first["at"], span, await cursor.to_list(_MAX_DOCUMENTS)

    async def ended_between(self, since: datetime, until: datetime) -> EndedTasks:
        """Return the tasks that ended after ``since``, up to ``until``."""
        group = {
            "_id": {
                "status": "$status",
                "code": "$error.code",
                "owner": "$owner",
                "wait": _bucket({"$ifNull": ["$asked_at", "$created_at"]}, "$started_at"),
                "run": _bucket("$started_at", "$finished_at"),
            },
            "count": {"$sum": 1},
            "bytes": {"$sum": {"$sum": "$results.bytes"}},
            "ms": {"$sum": COMPUTING_MS},
        }
        rows = self._tasks.aggregate(
            [{"$match": {"finished_at": {"$gt": since, "$lte": until}}}, {"$group": group}]
        )
        by_status, counts = Counter[str](), Counter[str]()
        keys: dict[str, Counter[str]] = {}
        async for row in rows:
            _count(row, by_status, counts, keys)
        return EndedTasks(by_status, counts, keys)


def _count(
    row: Mapping[str, Any],
    by_status: Counter[str],
    counts: Counter[str],
    keys: dict[str, Counter[str]],
) -> None:
    kind, count = row["_id"], row["count"]
    status = kind["status"]
    by_status[status] += count
    if status == Status.FAILURE:
        counts[f"failed.{code_label(kind.get('code'))}"] += count
    if kind.get("wait") is not None:
        counts[f"wait.{int(kind['wait'])}"] += count
        if status == Status.SUCCESS:
            counts[f"run.{int(kind['run'])}"] += count
    sums = {"tasks": count, "failed": count * (status == Status.FAILURE)}
    sums |= {"bytes": int(row["bytes"]), "ms": round(row["ms"])}
    keys.setdefault(kind.get("owner") or ANONYMOUS, Counter()).update(sums)


def _id(span: int, at: datetime) -> Document:
    return {"span": span, "at": datetime.fromtimestamp(at.timestamp() // span * span, UTC)}


def _bucket(begin: Any, end: Any) -> Document:
    """Return the expression for ``models.percentiles.bucket`` of a duration; null without one."""
    milliseconds = {"$max": [1, {"$subtract": [end, begin]}]}
    number = {"$ceil": {"$log": [milliseconds, BUCKET_GROWTH]}}
    both = {"$and": [{"$gt": [begin, None]}, {"$gt": [end, None]}]}
    return {"$cond": [both, {"$min": [LAST_BUCKET, number]}, None]}
