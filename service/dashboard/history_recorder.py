"""Notes of queue length and throughput, written by one service of all at a time."""

from __future__ import annotations

import asyncio
import secrets

import structlog

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store

log = structlog.get_logger()

_TURN = "history"


async def record(settings: Settings, store: Store) -> None:
    """Write a note every HISTORY_SECONDS until cancelled.

    A service, not a worker: that no worker is alive must be seen, too.
    """
    holder, pause = secrets.token_hex(8), settings.history_seconds
    while True:
        try:
            if await store.turns.take(_TURN, holder, max(pause, settings.lease_seconds)):
                work = await store.gauges.work()
                workers = await store.presence.alive(settings.worker_seen_seconds)
                await store.history.note(work, workers, pause)
                await store.turns.leave(_TURN, holder, pause)
        except StoreUnavailable:
            pass
        except Exception:
            log.exception("history_failed")
        await asyncio.sleep(pause)
