"""Stop cancelled tasks at once: each worker watches the ledger for its running attempts."""

from __future__ import annotations

import asyncio

import structlog

from models.errors import StoreUnavailable
from models.tasks.task import Status
from workers.context import WorkerContext

log = structlog.get_logger()

_REOPEN_SECONDS = 0.5  # before a broken change stream is reopened


async def watch_cancellations(worker: WorkerContext) -> None:
    """Make the attempt at each cancelled task check its lease, until cancelled itself.

    Only the lease decides: the task may have been restarted since, and be running again.
    Without the stream an attempt finds out at its next heartbeat.
    """
    while True:
        try:
            async with worker.store.change_stream.changes({Status.CANCELLED}) as changes:
                for attempt in worker.attempts:  # cancelled before the stream opened
                    attempt.check_lease.set()
                async for change in changes:
                    for attempt in worker.attempts:
                        if attempt.task.id == change.task_id:
                            attempt.check_lease.set()
        except StoreUnavailable as error:
            log.warning("cancellations_unwatched", **error.document())
        except Exception:
            log.exception("cancellations_failed")
        await asyncio.sleep(_REOPEN_SECONDS)
