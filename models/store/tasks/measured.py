"""What finished tasks took: the predictions of bytes and work are corrected by it."""

from __future__ import annotations

from typing import Any

from pymongo import DESCENDING

from models.images.inspect import OutputFormat
from models.store.mongo.repository import Document, Repository
from models.tasks.task import Status

_TASKS = 200  # the latest successes
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

    async def result_shares(self) -> dict[OutputFormat, float]:
        """Return the largest share of the most possible bytes that results took, by format.

        See ``models.result_bytes``.
        """
        share = {"$divide": [{"$sum": "$results.bytes"}, "$most_result_bytes"]}
        group = {"_id": "$format", "share": {"$max": share}}
        rows = await self._latest("most_result_bytes", group)
        return {row["_id"]: float(row["share"]) for row in rows}

    async def work_factors(self) -> dict[str, float]:
        """Return the seconds that tasks took for each predicted one, by ``work.label``.

        See ``models.work_estimate``.
        """
        group = {
            "_id": "$work.label",
            "milliseconds": {"$sum": COMPUTING_MS},
            "predicted": {"$sum": "$work.reference_seconds"},
        }
        rows = await self._latest("work.reference_seconds", group)
        return {row["_id"]: row["milliseconds"] / 1000 / row["predicted"] for row in rows}

    async def _latest(self, predicted: str, group: Document) -> list[dict[str, Any]]:
        """Group the latest successes whose field ``predicted`` is above 0."""
        return await self._tasks.aggregate(
            [
                {"$match": {"status": Status.SUCCESS}},
                {"$sort": {"finished_at": DESCENDING}},
                {"$limit": _TASKS},
                {"$match": {predicted: {"$gt": 0}}},
                {"$group": group},
            ],
            maxTimeMS=self._limit_ms,
        ).to_list(None)
