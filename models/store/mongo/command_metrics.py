"""Duration of each MongoDB command, as the driver measures it."""

from __future__ import annotations

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from models.metrics.metric import CallObserver


class CommandMetrics(CommandListener):
    """Calls ``observe`` for each command, in the driver's threads."""

    def __init__(self, observe: CallObserver) -> None:
        self._observe = observe
        self._change_stream_requests: set[int] = set()

    def started(self, event: CommandStartedEvent) -> None:
        # A change stream's getMore waits for changes: its duration says nothing about the server.
        if event.command_name == "getMore" and "maxTimeMS" in event.command:
            self._change_stream_requests.add(event.request_id)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._record(event, "ok")

    def failed(self, event: CommandFailedEvent) -> None:
        self._record(event, "error")

    def _record(self, event: CommandSucceededEvent | CommandFailedEvent, outcome: str) -> None:
        if event.request_id in self._change_stream_requests:
            self._change_stream_requests.discard(event.request_id)
            return
        self._observe(event.command_name, outcome, event.duration_micros / 1e6)
