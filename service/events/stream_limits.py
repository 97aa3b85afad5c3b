"""How many event streams may be open, and of how much: each holds a connection and costs work."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from models.errors import TooManyStreams
from models.settings import Settings

_RETRY_AFTER = 5  # seconds; streams end when their task does, nobody knows when


class Places:
    """What is taken of the bounds for open streams, in all and by each client."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.taken: Counter[str] = Counter()
        self.members: Counter[str] = Counter()

    def one(self, client: str) -> contextlib.AbstractContextManager[None]:
        """Hold a place for a stream of ``client``.

        Raises:
            TooManyStreams: EVENTS_PER_CLIENT or EVENTS_TOTAL are taken.
        """
        s = self._settings
        limits = (
            ("EVENTS_PER_CLIENT", s.events_per_client),
            ("EVENTS_TOTAL", s.events_total),
        )
        return _held(self.taken, client, 1, limits, "event streams")

    def of(self, client: str, members: int) -> contextlib.AbstractContextManager[None]:
        """Hold what a stream costs that tells of so many tasks.

        Raises:
            TooManyStreams: it would be more than EVENTS_TASKS_PER_CLIENT or EVENTS_TASKS_TOTAL.
        """
        s = self._settings
        limits = (
            ("EVENTS_TASKS_PER_CLIENT", s.events_tasks_per_client),
            ("EVENTS_TASKS_TOTAL", s.events_tasks_total),
        )
        return _held(self.members, client, members, limits, "tasks in event streams")


@contextlib.contextmanager
def _held(
    taken: Counter[str], client: str, amount: int, limits: tuple[tuple[str, int], ...], what: str
) -> Iterator[None]:
    own, total = limits
    for (setting, limit), measured, whose in (
        (own, taken[client], " of yours"),
        (total, taken.total(), ""),
    ):
        if measured + amount > limit:
            raise TooManyStreams(
                f"{measured} {what}{whose} are open; with this one at most {limit} may be "
                f"({setting}): close one, or ask with ?wait=30 instead",
                setting=setting,
                limit=limit,
                measured=measured,
                retry_after=_RETRY_AFTER,
            )
    taken[client] += amount
    try:
        yield
    finally:
        taken[client] -= amount
        if not taken[client]:
            del taken[client]
