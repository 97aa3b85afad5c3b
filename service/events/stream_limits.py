"""Limits for open event streams (like a semaphore): EVENTS_PER_CLIENT, EVENTS_TOTAL, and tasks."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from models.errors import TooManyStreams
from models.settings import Settings

_RETRY_AFTER_SECONDS = 5  # streams end with their task, at an unknown time


class StreamLimits:
    """Counts open streams and their tasks, in total and per client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.streams: Counter[str] = Counter()
        self.tasks: Counter[str] = Counter()

    def hold_stream(self, client: str) -> contextlib.AbstractContextManager[None]:
        """Count one stream of ``client`` while open.

        Raises:
            TooManyStreams: EVENTS_PER_CLIENT or EVENTS_TOTAL is reached.
        """
        s = self._settings
        limits = (
            ("EVENTS_PER_CLIENT", s.events_per_client),
            ("EVENTS_TOTAL", s.events_total),
        )
        return _hold(self.streams, client, 1, limits, "event streams")

    def hold_tasks(self, client: str, members: int) -> contextlib.AbstractContextManager[None]:
        """Count the tasks of a stream while open.

        Raises:
            TooManyStreams: more than EVENTS_TASKS_PER_CLIENT or EVENTS_TASKS_TOTAL.
        """
        s = self._settings
        limits = (
            ("EVENTS_TASKS_PER_CLIENT", s.events_tasks_per_client),
            ("EVENTS_TASKS_TOTAL", s.events_tasks_total),
        )
        return _hold(self.tasks, client, members, limits, "tasks in event streams")


@contextlib.contextmanager
def _hold(
    taken: Counter[str], client: str, amount: int, limits: tuple[tuple[str, int], ...], items: str
) -> Iterator[None]:
    own, total = limits
    for (setting, limit), measured, owner in (
        (own, taken[client], " of yours"),
        (total, taken.total(), ""),
    ):
        if measured + amount > limit:
            raise TooManyStreams(
                f"{measured} {items}{owner} are open; at most {limit} are allowed "
                f"({setting}): close one, or poll with ?wait=30",
                setting=setting,
                limit=limit,
                measured=measured,
                retry_after=_RETRY_AFTER_SECONDS,
            )
    taken[client] += amount
    try:
        yield
    finally:
        taken[client] -= amount
        if not taken[client]:
            del taken[client]
