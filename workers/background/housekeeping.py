"""Housekeeping: delete expired and released data, by one worker at a time.

The lock is a lease in MongoDB, not a cron job of arq, whose memory is Redis: it survives a wiped
Redis, and when its holder dies another worker takes it. Two concurrent runs do no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import structlog

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from workers.context import WorkerContext
from workers.store_retry import extend_until_lost

log = structlog.get_logger()

LOCK_NAME = "housekeeping"
_MAX_PAUSE_SECONDS = 60.0  # between two runs


async def housekeep(worker: WorkerContext) -> None:
    """Run housekeeping whenever it is due, until cancelled."""
    while True:
        try:
            await run_if_due(worker.name, worker.settings, worker.store)
        except StoreUnavailable as error:
            log.warning("housekeeping_skipped", **error.document())
        except Exception:
            log.exception("housekeeping_failed")
        await asyncio.sleep(_pause_seconds(worker.settings))


async def run_if_due(name: str, settings: Settings, store: Store) -> bool:
    """Run housekeeping if it is due and not locked; return whether it was done.

    Raises:
        StoreUnavailable: it was interrupted; the next run continues.
    """
    lock, seconds = store.periodic_lock, settings.lease_seconds
    holder = f"{name}:{secrets.token_hex(8)}"
    if not await lock.acquire(LOCK_NAME, holder, seconds):
        return False
    pause = 0.0  # if interrupted: due at once
    deletion = asyncio.create_task(delete_expired(settings, store))
    extension = asyncio.create_task(
        extend_until_lost(lambda: lock.extend(LOCK_NAME, holder, seconds), seconds)
    )
    try:
        await asyncio.wait({deletion, extension}, return_when=asyncio.FIRST_COMPLETED)
        if not deletion.done():
            log.warning("housekeeping_lock_lost")
            return False
        counts = await deletion
        if any(counts.values()):
            log.info("housekeeping_done", **counts)
        pause = _pause_seconds(settings)
        return True
    finally:
        for task in (deletion, extension):
            task.cancel()
        await asyncio.gather(deletion, extension, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await lock.release(LOCK_NAME, holder, pause)


async def delete_expired(settings: Settings, store: Store) -> dict[str, int]:
    """Delete expired and released data; return the number of each kind."""
    counts = {"results_expired": 0, "originals_expired": 0, "intermediates": 0}
    if settings.result_ttl:
        counts["results_expired"] = await store.retention.expire(settings.result_ttl)
    if settings.original_ttl:
        counts["originals_expired"] = await store.originals.expire(settings.original_ttl)
    counts["results_deleted"] = await store.retention.delete_released()
    counts["originals_deleted"] = await store.originals.delete_marked()
    while count := await store.intermediates.delete_older(settings.intermediate_ttl):
        counts["intermediates"] += count
    counts["orphans"] = await store.orphans.collect()
    return counts


def _pause_seconds(settings: Settings) -> float:
    """Return the seconds between two runs: what is released is deleted at most a tenth later."""
    return min(_MAX_PAUSE_SECONDS, settings.delete_grace_seconds / 10)
