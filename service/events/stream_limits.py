"""Limits for open event streams (like a semaphore): EVENTS_PER_CLIENT, EVENTS_TOTAL, and tasks."""

from __future__ import annotations

import contextlib

from models.errors import TooManyStreams
from models.settings import Settings
from models.slots import Slots

# Tasks followed for each stream that is allowed; a change of each costs about 0.05 ms.
_TASKS_PER_STREAM = 10
_TASKS_PER_STREAM_OF_CLIENT = 30  # a client may follow a few groups of a thousand
_RETRY_AFTER_SECONDS = 5  # streams end with their task, at an unknown time


class StreamLimits:
    """Counts open streams and their tasks, in total and per client."""

    def __init__(self, settings: Settings) -> None:
        self.streams = Slots(
            ("EVENTS_PER_CLIENT", settings.events_per_client),
            ("EVENTS_TOTAL", settings.events_total),
        )
        self.tasks = Slots(
            ("EVENTS_PER_CLIENT", settings.events_per_client * _TASKS_PER_STREAM_OF_CLIENT),
            ("EVENTS_TOTAL", settings.events_total * _TASKS_PER_STREAM),
        )

    def hold_stream(self, client: str) -> contextlib.AbstractContextManager[None]:
        """Count one stream of ``client`` while open.

        Raises:
            TooManyStreams: EVENTS_PER_CLIENT or EVENTS_TOTAL is reached.
        """
        return _hold(self.streams, client, 1, "event streams")

    def hold_tasks(self, client: str, members: int) -> contextlib.AbstractContextManager[None]:
        """Count the tasks of a stream while open.

        Raises:
            TooManyStreams: 30 tasks for each of EVENTS_PER_CLIENT, or 10 for each of EVENTS_TOTAL.
        """
        return _hold(self.tasks, client, members, "tasks in event streams")


def _hold(
    slots: Slots, client: str, amount: int, items: str
) -> contextlib.AbstractContextManager[None]:
    if reached := slots.exceeded(client, amount):
        owner = " of yours" if reached.own else ""
        raise TooManyStreams(
            f"{reached.measured} {items}{owner} are open; at most {reached.limit} are allowed "
            f"({reached.setting}): close one, or poll with ?wait=30",
            setting=reached.setting,
            limit=reached.limit,
            measured=reached.measured,
            retry_after=_RETRY_AFTER_SECONDS,
        )
    return slots.hold(client, amount)
