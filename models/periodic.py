"""The loop of background jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from models.errors import StoreUnavailable

log = structlog.get_logger()


async def run_periodically(
    job: str, run: Callable[[], Awaitable[object]], pause_seconds: float
) -> None:
    """Call ``run``, with a pause after each call, until cancelled; an error ends no loop."""
    while True:
        try:
            await run()
        except StoreUnavailable as error:
            log.warning("background_job_skipped", job=job, **error.document())
        except Exception:
            log.exception("background_job_failed", job=job)
        await asyncio.sleep(pause_seconds)
