"""Stop cancelled tasks at once: each worker watches the ledger for its running attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from models.store.tasks.change_stream import TaskChange
from models.tasks.task import Status
from workers.context import WorkerContext

REOPEN_SECONDS = 0.5  # before a broken change stream is reopened
_IDLE_SECONDS = 10.0  # without an attempt: then the stream, a call a second, is closed


async def watch_cancellations(worker: WorkerContext) -> None:
    """Make the attempt at each cancelled task check its lease, until the change stream breaks.

    Only the lease decides: the task may have been restarted since, and be running again.
    Without the stream an attempt finds out at its next heartbeat. A worker without attempts has no
    stream.
    """
    while True:
        await worker.busy.wait()
        async with worker.store.change_stream.changes({Status.CANCELLED}) as changes:
            for attempt in worker.attempts:  # cancelled before the stream opened
                attempt.check_lease.set()
            following = asyncio.create_task(_follow(worker, changes))
            try:
                while worker.busy.is_set():
                    worker.busy.clear()
                    await asyncio.wait({following}, timeout=_IDLE_SECONDS)
                    if worker.attempts:
                        worker.busy.set()
                    if following.done():
                        return following.result()  # raises what broke it
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)


async def _follow(worker: WorkerContext, changes: AsyncIterator[TaskChange]) -> None:
    async for change in changes:
        for attempt in worker.attempts:
            if attempt.task.id == change.task_id:
                attempt.check_lease.set()
