"""Housekeeping: delete expired and released data, by one worker of all.

Its turn is kept in MongoDB, not in a cron job of arq, whose memory is Redis: it survives a wiped
Redis. Two concurrent runs do no harm, so a run that lasts longer than the interval needs no lock.
"""

from __future__ import annotations

import structlog

from models.settings import Settings
from models.settings.retention import RetentionSettings
from models.store import Store

log = structlog.get_logger()

LOCK_NAME = "housekeeping"
_MAX_PAUSE_SECONDS = 60.0  # between two runs


def pause_seconds(settings: Settings) -> float:
    """Return the seconds between two runs: what is released is deleted at most a tenth later."""
    return min(_MAX_PAUSE_SECONDS, settings.retention.delete_grace_seconds / 10)


async def run_if_due(name: str, settings: Settings, store: Store) -> bool:
    """Run housekeeping if no worker has begun one within the interval; return whether it ran.

    Raises:
        StoreUnavailable: it was interrupted; the next run continues.
    """
    if not await store.periodic_lock.acquire(LOCK_NAME, name, pause_seconds(settings)):
        return False
    counts = await delete_expired(settings.retention, store)
    if any(counts.values()):
        log.info("housekeeping_done", **counts)
    return True


async def delete_expired(settings: RetentionSettings, store: Store) -> dict[str, int]:
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
