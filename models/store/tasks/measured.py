"""What finished tasks took: the predictions of bytes and work are corrected by it."""

from __future__ import annotations

import asyncio

from async_lru import alru_cache
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo import DESCENDING

from models.images.inspect import OutputFormat
from models.settings import Settings
from models.store.mongo.repository import Document, Repository
from models.store.tasks.worker_registry import WorkerRegistry
from models.tasks.task import Status
from models.work_estimate import is_guessed, tested_factor
from models.work_prices import Measured, Prices, learn

_TASKS = 200  # the latest successes, and as many of networks: thumbnails do not outnumber them
_PRICE_SECONDS = 5.0  # for which learned prices are used
_OUTSIDE_OF_THE_CHILD = ["fetch", "wait", "publish"]  # stages
_STAGES = {
    "$filter": {
        "input": {"$objectToArray": {"$ifNull": ["$stages", {}]}},
        "cond": {"$not": {"$in": ["$$this.k", _OUTSIDE_OF_THE_CHILD]}},
    }
}
COMPUTING_MS: Document = {"$sum": {"$map": {"input": _STAGES, "in": "$$this.v"}}}
"""The expression for the milliseconds that the last run of a task took in its child process."""


class MeasuredTasks(Repository):
    """Figures of the latest successes, which predictions learn from."""

    def __init__(self, database: AsyncIOMotorDatabase[Document], settings: Settings) -> None:
        super().__init__(database, settings)
        self._workers = WorkerRegistry(database, settings)
        self.prices = alru_cache(ttl=_PRICE_SECONDS)(self._learn_prices)
        """Return the ``Prices`` that the latest tasks took, from at most _PRICE_SECONDS ago."""

    async def result_shares(self) -> dict[OutputFormat, float]:
        """Return the largest share of the most possible bytes that results took, by format.

        See ``models.result_bytes``.
        """
        share = {"$divide": [{"$sum": "$results.bytes"}, "$most_result_bytes"]}
        found = self._tasks.aggregate(
            [
                {"$match": {"status": Status.SUCCESS}},
                {"$sort": {"finished_at": DESCENDING}},
                {"$limit": _TASKS},
                {"$match": {"most_result_bytes": {"$gt": 0}}},
                {"$group": {"_id": "$format", "share": {"$max": share}}},
            ],
            maxTimeMS=self._limit_ms,
        )
        return {row["_id"]: float(row["share"]) async for row in found}

    async def _learn_prices(self) -> Prices:
        networks: Document = {"work.networks": True}
        of_networks, others, tests = await asyncio.gather(
            self._measured(networks), self._measured({}), self._workers.network_seconds()
        )
        tasks = {document["_id"]: document for document in (*of_networks, *others)}
        latest = sorted(tasks.values(), key=lambda each: each["finished_at"], reverse=True)
        measured = [
            Measured(
                each.get("client", ""),
                each.get("worker") or "",
                each.get("beside", 1),
                [(name, seconds) for name, seconds in each["work"]["parts"]],
                each["stages"] or {},
            )
            for each in latest
            if each.get("work", {}).get("parts")  # older versions wrote none
        ]
        parts = {name for each in measured for name, _ in each.parts}
        return learn(measured, filter(is_guessed, parts), map(tested_factor, tests))

    async def _measured(self, query: Document) -> list[Document]:
        """Return the latest successes of ``query``."""
        fields = ["client", "worker", "beside", "work.parts", "stages", "finished_at"]
        cursor = self._tasks.find({"status": Status.SUCCESS, **query}, fields)
        return await cursor.sort("finished_at", DESCENDING).limit(_TASKS).to_list(None)
