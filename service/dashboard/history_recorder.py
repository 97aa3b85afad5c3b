"""Record queue length, throughput and alerts periodically; one service process at a time does."""

from __future__ import annotations

import asyncio
import secrets

import structlog

from models.errors import StoreUnavailable
from models.store import Store
from models.store.tasks.queue_history import INTERVAL_SECONDS
from service.dashboard.overview import Overview

log = structlog.get_logger()

_LOCK_NAME = "history"


async def record_history(store: Store, overview: Overview) -> None:
    """Write a record every INTERVAL_SECONDS until cancelled.

    The service does it, not a worker, so that the history also shows when no worker is alive.
    """
    holder = secrets.token_hex(8)
    while True:
        try:
            if await store.periodic_lock.acquire(_LOCK_NAME, holder, INTERVAL_SECONDS):
                work = await store.task_stats.queue()
                workers = await store.workers.count_alive()
                await store.queue_history.record(work, workers)
                await store.alert_log.record(await overview.alert_codes())
        except StoreUnavailable:
            pass
        except Exception:
            log.exception("history_recording_failed")
        await asyncio.sleep(INTERVAL_SECONDS)
