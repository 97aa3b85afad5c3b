"""One MongoDB change stream per service, which feeds long polls and event streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from models.errors import StoreUnavailable
from models.store.tasks.change_stream import TaskChangeStream
from service.events.long_poll import CompletionWaiter, PolledTasks
from service.events.sse_hub import EventHub

log = structlog.get_logger()

_REOPEN_SECONDS = 0.5  # before a broken stream is reopened


async def watch_changes(
    feed: TaskChangeStream, listeners: Sequence[CompletionWaiter | PolledTasks | EventHub]
) -> None:
    """Follow the change stream until cancelled; reopen it after errors."""
    while True:
        try:
            async with feed.changes() as changes:
                for listener in listeners:
                    listener.on_missed_changes()  # changes before the stream was open
                async for change in changes:
                    for listener in listeners:
                        listener.on_change(change)
        except StoreUnavailable as error:
            log.warning("change_stream_unavailable", **error.document())
        except Exception:
            log.exception("change_stream_failed")
        await asyncio.sleep(_REOPEN_SECONDS)
