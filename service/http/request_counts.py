"""RequestCounts: refusals by code and durations of requests, until they are written to MongoDB."""

from __future__ import annotations

from collections import Counter

from aiohttp import web

from models.errors import StoreUnavailable
from models.percentiles import bucket
from models.store.tasks.activity import Activity, code_label

FLUSH_SECONDS = 10.0  # as often as the queue's history: the dashboard shows both
_NOT_TIMED = ("/static/", "/dashboard", "/healthz", "/readyz", "/metrics")
"""Of the service itself, and so frequent that they would hide how long clients wait."""

WAITS_FOR_TASKS = web.RequestKey("waits_for_tasks", bool)
"""Whether a request lasts as long as a task: its duration says nothing about the service."""


class RequestCounts:
    """Counts of one service process; their number is bounded by that of codes and buckets."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._counts = Counter[str]()

    def refused(self, code: str) -> None:
        """Count a request, or a picture of several, that was refused."""
        self._counts[f"refused.{code_label(code)}"] += 1

    def ended(self, request: web.Request, seconds: float) -> None:
        """Count the duration of a request, unless it is one of those that are not timed."""
        if WAITS_FOR_TASKS not in request and not request.path.startswith(_NOT_TIMED):
            self._counts[f"request.{bucket(seconds)}"] += 1

    async def flush(self) -> None:
        """Add the counts to those of all services; what MongoDB does not take is kept."""
        counts, self._counts = self._counts, Counter()
        try:
            await self._activity.add(counts)
        except StoreUnavailable:
            self._counts.update(counts)


REQUEST_COUNTS = web.AppKey("request_counts", RequestCounts)
