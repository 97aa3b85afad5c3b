"""Housekeeping: what is to go is deleted, by one worker of all at a time.

The turn is a lease in MongoDB, not a cron job of arq, whose memory is Redis: it holds when Redis is
wiped, and when its holder dies another takes it. Doing the work twice at once does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import structlog

from models.errors import StoreUnavailable
from models.settings import Settings
from models.store import Store
from workers.context import Worker

log = structlog.get_logger()

TURN = "housekeeping"


async def housekeep(worker: Worker) -> None:
    """Take the turn whenever it is due, until cancelled."""
    while True:
        try:
            await turn(worker.name, worker.settings, worker.store)
        except StoreUnavailable as error:
            log.warning("housekeeping_skipped", **error.document())
        except Exception:
            log.exception("housekeeping_failed")
        await asyncio.sleep(worker.settings.housekeeping_seconds)


async def turn(name: str, settings: Settings, store: Store) -> bool:
    """Keep house if it is due and nobody does; tell whether it was done.

    Raises:
        StoreUnavailable: it was broken off; whoever has the next turn goes on.
    """
    holder = f"{name}:{secrets.token_hex(8)}"
    if not await store.turns.take(TURN, holder, settings.lease_seconds):
        return False
    pause = 0.0  # broken off: due at once
    working = asyncio.create_task(tidy(settings, store))
    heart = asyncio.create_task(_beat(store, holder, settings.lease_seconds))
    try:
        await asyncio.wait({working, heart}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            log.warning("housekeeping_lost")
            return False
        done = await working
        if any(done.values()):
            log.info("housekeeping_done", **done)
        pause = settings.housekeeping_seconds
        return True
    finally:
        for task in (working, heart):
            task.cancel()
        await asyncio.gather(working, heart, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await store.turns.leave(TURN, holder, pause)


async def tidy(settings: Settings, store: Store) -> dict[str, int]:
    """Delete what is to go; return how much of what that was."""
    done = {"results_expired": 0, "originals_expired": 0, "intermediates": 0}
    if settings.result_ttl:
        done["results_expired"] = await store.retention.expire(settings.result_ttl)
    if settings.original_ttl:
        done["originals_expired"] = await store.originals.expire(settings.original_ttl)
    done["results_deleted"] = await store.retention.collect()
    done["originals_deleted"] = await store.originals.collect()
    while count := await store.intermediates.delete_older(settings.intermediate_ttl):
        done["intermediates"] += count
    done["orphans"] = await store.orphans.collect()
    return done


async def _beat(store: Store, holder: str, seconds: float) -> None:
    """Keep the turn; return when it is another's."""
    while True:
        await asyncio.sleep(seconds / 3)
        try:
            if not await store.turns.extend(TURN, holder, seconds):
                return
        except StoreUnavailable:
            continue
