"""Fair queueing between clients: turns, counts of open tasks and queue positions.

A turn is the start tag of start-time fair queueing (Goyal, Vin and Cheng, 1996), each task costing
its ``work.turns``: a client's next task goes so many rounds after its last waiting one, a new
client's first in the round that is served now. So a batch of a hundred does not delay other clients
by all of it, clients share the workers by work, not by tasks, and no client starves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import ASCENDING, DESCENDING

from models.images.inspect import OutputFormat
from models.store.mongo.repository import Document, Repository, now_plus
from models.store.tasks.worker_registry import capacity_pipeline
from models.tasks.queue_position import MAX_AHEAD, MAX_POSITIONS, QueueSnapshot, Running
from models.tasks.task import OPEN, Status, TimelineAction, Work
from models.work_prices import Prices

SERVICE_ORDER = ("turn", "created_at", "_id")
_OPEN = {"$in": list(OPEN)}
_MAX_COUNTED = 100_000  # recently ended tasks: bounds the count
_MAX_RUNNING = 1000  # running tasks that are read, far above the children of all workers
_RUNNING_FIELDS = ["work", "progress", "started_at", "timeline", "beside", "worker"]


@dataclass(frozen=True)
class OpenTasks:
    """Waiting and started tasks; ``most_bytes``: what their results could take, by format."""

    count: int
    most_bytes: Mapping[OutputFormat, int]


@dataclass(frozen=True)
class ClientTasks(OpenTasks):
    """Those of one client.

    ``turns``: as how many they count by their work. ``next_turn``: behind the last one that waits,
    1 if none does. ``served_turn``: that is served now, of all clients, from 1.
    """

    turns: int
    next_turn: int
    served_turn: int


class FairQueue(Repository):
    """Counts over the collection ``tasks``; ``client`` is a ``Task.client``."""

    async def open_tasks(self) -> OpenTasks:
        """Return what is open, of all clients.

        Only what its index adds up quickly: 1 ms a thousand tasks, 5 with what ``of_client`` asks.
        """
        rows = await self._tasks.aggregate(_open_by_format({}, {})).to_list(None)
        return OpenTasks(*_count_and_bytes(rows))

    async def of_client(self, client: str) -> ClientTasks:
        """Return what is open of one client, and which turn is served, by one question."""
        turns = {"$ifNull": ["$work.turns", 1]}  # older versions wrote none
        after = {"$add": [{"$ifNull": ["$turn", 0]}, turns]}
        behind = {"$cond": [{"$eq": ["$status", Status.CREATED]}, after, 1]}
        sums = {"turns": {"$sum": turns}, "next": {"$max": behind}}
        served: list[Document] = [
            {"$match": {"status": Status.CREATED, "turn": {"$gt": 0}}},
            {"$sort": {"turn": ASCENDING}},
            {"$limit": 1},
            {"$project": {"served": "$turn"}},
        ]
        own = _open_by_format({"client": client}, sums)
        found = await self._tasks.aggregate([*own, self._and(served)]).to_list(None)
        rows = [row for row in found if "served" not in row]
        return ClientTasks(
            *_count_and_bytes(rows),
            sum(row["turns"] for row in rows),
            max((int(row["next"]) for row in rows), default=1),
            next((int(row["served"]) for row in found if "served" in row), 1),
        )

    def _and(self, pipeline: list[Document], collection: str = "tasks") -> Document:
        """Return the stage that appends what ``pipeline`` finds: several queries, one question."""
        return {"$unionWith": {"coll": collection, "pipeline": pipeline}}

    async def count_ended(self, seconds: float, client: str | None = None) -> int:
        """Return the number of tasks that ended in the last ``seconds``."""
        recent = {"$expr": {"$gt": ["$finished_at", now_plus(-seconds)]}}
        query: Document = recent if client is None else {"client": client, **recent}
        return await self._tasks.count_documents(query, limit=_MAX_COUNTED)

    async def snapshot(self, prices: Prices) -> QueueSnapshot:
        """Return a snapshot of the queue; workers count that are alive and take tasks.

        It reads MAX_POSITIONS waiting ids, so callers share one snapshot.
        """
        moment = await self._now()
        clock_offset = moment - datetime.now(UTC)
        in_order: list[Document] = [
            {"$match": {"status": Status.CREATED}},
            {"$sort": dict.fromkeys(SERVICE_ORDER, ASCENDING)},
        ]
        ids_and_turns = {"ids": {"$push": "$_id"}, "turns": {"$push": "$turn"}}
        work = {"$group": {"_id": None, "ahead": {"$push": {"$ifNull": ["$work", {}]}}}}
        started: list[Document] = [
            {"$match": {"status": Status.STARTED}},
            {"$limit": _MAX_RUNNING},
            {"$project": {"running": {name: f"${name}" for name in _RUNNING_FIELDS}}},
        ]
        rows = await self._tasks.aggregate(
            [
                # The first is covered by its index.
                *in_order,
                {"$limit": MAX_POSITIONS},
                {"$group": {"_id": None, **ids_and_turns}},
                self._and([*in_order, {"$limit": MAX_AHEAD}, work]),
                self._and(started),
                self._and(capacity_pipeline(), "workers"),
            ],
            batchSize=_MAX_RUNNING + 3,  # one reply
        ).to_list(None)
        found: Document = {}
        for row in rows:
            found |= row
        ids, turns = found.get("ids", []), found.get("turns", [])
        last = None
        if len(ids) == MAX_POSITIONS:
            behind = [(name, DESCENDING) for name in SERVICE_ORDER]
            last = await self._tasks.find_one({"status": Status.CREATED}, ["turn"], sort=behind)
        return QueueSnapshot(
            positions={str(task_id): place for place, task_id in enumerate(ids)},
            turns=turns,
            ahead=[Work.model_validate(each) for each in found.get("ahead", [])],
            running=[_running(row["running"], moment) for row in rows if "running" in row],
            workers=found.get("workers", 0),
            places=found.get("places", 0),
            prices=prices,
            taken_at=moment,
            clock_offset=clock_offset,
            last_turn=int(last["turn"]) if last else 0,
        )


def _open_by_format(query: Document, sums: Document) -> list[Document]:
    always = {"count": {"$sum": 1}, "most": {"$sum": "$most_result_bytes"}}
    group = {"$group": {"_id": "$format", **always, **sums}}
    return [{"$match": {"status": _OPEN, **query}}, group]


def _running(document: Document, now: datetime) -> Running:
    claims = [
        each["at"]
        for each in document.get("timeline", [])
        if each["what"] == TimelineAction.CLAIMED
    ]
    since = claims[-1] if claims else document.get("started_at") or now
    return Running(
        work=Work.model_validate(document.get("work", {})),
        progress=document["progress"],
        spent=max((now - since).total_seconds(), 0.0),
        beside=document.get("beside", 1),
        worker=document.get("worker") or "",
    )


def _count_and_bytes(rows: list[Document]) -> tuple[int, dict[OutputFormat, int]]:
    most: dict[OutputFormat, int] = {row["_id"]: int(row["most"]) for row in rows}
    return sum(row["count"] for row in rows), most
