"""Retry store calls, and extend leases, while a store is unavailable."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_random_exponential

from models.errors import StoreUnavailable

_MAX_RETRY_SECONDS = 600  # then the lease expires and another worker takes the work

# An outage of a store must cost neither finished work nor attempts.
retry_store = retry(
    retry=retry_if_exception_type(StoreUnavailable),
    wait=wait_random_exponential(multiplier=0.2, max=10),
    stop=stop_after_delay(_MAX_RETRY_SECONDS),
    reraise=True,
)


async def extend_until_lost(extend: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Extend a lease of ``seconds`` until cancelled; return when ``extend`` finds it lost."""
    held = True
    while held:
        await asyncio.sleep(seconds / 3)
        with contextlib.suppress(StoreUnavailable):  # the next extension may still be in time
            held = await extend()
