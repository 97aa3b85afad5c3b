"""How long each command to MongoDB takes, as the driver sees it."""

from __future__ import annotations

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from models.metrics.metric import Observe


class Timing(CommandListener):
    """Tells ``observe`` of each command; called in the driver's threads."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._awaiting: set[int] = set()

    def started(self, event: CommandStartedEvent) -> None:
        # A change stream's getMore waits for news: its duration says nothing about the server.
        if event.command_name == "getMore" and "maxTimeMS" in event.command:
            self._awaiting.add(event.request_id)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._ended(event, "ok")

    def failed(self, event: CommandFailedEvent) -> None:
        self._ended(event, "error")

    def _ended(self, event: CommandSucceededEvent | CommandFailedEvent, outcome: str) -> None:
        if event.request_id in self._awaiting:
            self._awaiting.discard(event.request_id)
            return
        self._observe(event.command_name, outcome, event.duration_micros / 1e6)
