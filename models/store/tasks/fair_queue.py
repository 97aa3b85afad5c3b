"""Fair queueing between clients: turns, counts of open tasks and queue positions.

A turn is the start tag of start-time fair queueing (Goyal, Vin and Cheng, 1996), each task costing
its ``work.turns``: a client's next task goes so many rounds after its last waiting one, a new
client's first in the round that is served now. So a batch of a hundred does not delay other clients
by all of it, clients share the workers by work, not by tasks, and no client starves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from pymongo import ASCENDING, DESCENDING

from models.images.inspect import OutputFormat
from models.store.mongo.repository import Document, Repository, now_plus
from models.store.tasks.worker_registry import WorkerRegistry
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
    1 if none does.
    """

    turns: int
    next_turn: int


class FairQueue(Repository):
    """Counts over the collection ``tasks``; ``client`` is a ``Task.client``."""

    @cached_property
    def _workers(self) -> WorkerRegistry:
        return WorkerRegistry(self._database, self._settings)

    async def open_tasks(self) -> OpenTasks:
        """Return what is open, of all clients.

        Only what its index adds up quickly: 1 ms a thousand tasks, 5 with what ``of_client`` asks.
        """
        rows = await self._open_by_format({}, {})
        return OpenTasks(*_count_and_bytes(rows))

    async def of_client(self, client: str) -> ClientTasks:
        """Return what is open of one client."""
        turns = {"$ifNull": ["$work.turns", 1]}  # older versions wrote none
        after = {"$add": [{"$ifNull": ["$turn", 0]}, turns]}
        behind = {"$cond": [{"$eq": ["$status", Status.CREATED]}, after, 1]}
        sums = {"turns": {"$sum": turns}, "next": {"$max": behind}}
        rows = await self._open_by_format({"client": client}, sums)
        return ClientTasks(
            *_count_and_bytes(rows),
            sum(row["turns"] for row in rows),
            max((int(row["next"]) for row in rows), default=1),
        )

    async def _open_by_format(self, query: Document, sums: Document) -> list[Document]:
        always = {"count": {"$sum": 1}, "most": {"$sum": "$most_result_bytes"}}
        group = {"$group": {"_id": "$format", **always, **sums}}
        return await self._tasks.aggregate([{"$match": {"status": _OPEN, **query}}, group]).to_list(
            None
        )

    async def served_turn(self) -> int:
        """Return the turn that is served now, from 1."""
        waiting = {"status": Status.CREATED, "turn": {"$gt": 0}}
        served = await self._tasks.find_one(waiting, {"turn": 1}, sort=[("turn", ASCENDING)])
        return int(served["turn"]) if served else 1

    async def count_ended(self, seconds: float, client: str | None = None) -> int:
        """Return the number of tasks that ended in the last ``seconds``."""
        recent = {"$expr": {"$gt": ["$finished_at", now_plus(-seconds)]}}
        query: Document = recent if client is None else {"client": client, **recent}
        return await self._tasks.count_documents(query, limit=_MAX_COUNTED)

    async def snapshot(self, prices: Prices) -> QueueSnapshot:
        """Return a snapshot of the queue; workers count that are alive and take tasks.

        It reads MAX_POSITIONS waiting ids, so callers share one snapshot.
        """
        moment = await self._server_now()
        clock_offset = moment - datetime.now(UTC)
        order = dict.fromkeys(SERVICE_ORDER, ASCENDING)
        waiting, ahead, running, (workers, places) = await asyncio.gather(
            self._tasks.aggregate(
                [
                    {"$match": {"status": Status.CREATED}},
                    {"$sort": order},
                    {"$limit": MAX_POSITIONS},
                    {
                        "$group": {
                            "_id": None,
                            "ids": {"$push": "$_id"},
                            "turns": {"$push": "$turn"},
                        }
                    },
                ]
            ).to_list(1),
            self._tasks.find({"status": Status.CREATED}, ["work"])
            .sort(list(order.items()))
            .limit(MAX_AHEAD)
            .to_list(None),
            self._tasks.find({"status": Status.STARTED}, _RUNNING_FIELDS)
            .limit(_MAX_RUNNING)
            .to_list(None),
            self._workers.capacity(),
        )
        ids, turns = (waiting[0]["ids"], waiting[0]["turns"]) if waiting else ([], [])
        last = None
        if len(ids) == MAX_POSITIONS:
            behind = [(name, DESCENDING) for name in SERVICE_ORDER]
            last = await self._tasks.find_one({"status": Status.CREATED}, ["turn"], sort=behind)
        return QueueSnapshot(
            positions={str(task_id): place for place, task_id in enumerate(ids)},
            turns=turns,
            ahead=[Work.model_validate(each.get("work", {})) for each in ahead],
            running=[_running(each, moment) for each in running],
            workers=workers,
            places=places,
            prices=prices,
            taken_at=moment,
            clock_offset=clock_offset,
            last_turn=int(last["turn"]) if last else 0,
        )


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
