"""What is cancelled is stopped at once: a worker follows the ledger for what it has in hand."""

from __future__ import annotations

import asyncio

import structlog

from models.errors import StoreUnavailable
from models.tasks.task import Status
from workers.context import Worker

log = structlog.get_logger()

_PAUSE = 0.5  # seconds before a broken stream is opened again


async def heed(worker: Worker) -> None:
    """Have the lease of each task that is cancelled looked at, until cancelled itself.

    Only the lease decides: the task may have been asked for again since, and be in hand anew.
    Without the stream an attempt learns the same at its next heartbeat.
    """
    while True:
        try:
            async with worker.store.tasks.endings({Status.CANCELLED}) as endings:
                for attempt in worker.attempts:  # what was cancelled while nobody watched
                    attempt.doubt.set()
                async for task_id in endings:
                    for attempt in worker.attempts:
                        if attempt.task.id == task_id:
                            attempt.doubt.set()
        except StoreUnavailable as error:
            log.warning("cancellations_unwatched", **error.document())
        except Exception:
            log.exception("cancellations_failed")
        await asyncio.sleep(_PAUSE)
