"""One MongoDB change stream per service, which feeds long polls and event streams."""

from __future__ import annotations

from collections.abc import Sequence

from models.store.tasks.change_stream import TaskChangeStream
from service.events.long_poll import CompletionWaiter, PolledTasks
from service.events.sse_hub import EventHub

REOPEN_SECONDS = 0.5  # before a broken stream is reopened


async def watch_changes(
    feed: TaskChangeStream, listeners: Sequence[CompletionWaiter | PolledTasks | EventHub]
) -> None:
    """Follow the change stream until it breaks."""
    async with feed.changes() as changes:
        for listener in listeners:
            listener.on_missed_changes()  # changes before the stream was open
        async for change in changes:
            for listener in listeners:
                listener.on_change(change)
