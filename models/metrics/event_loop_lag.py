"""Measure the event loop's lag: code that blocks the loop delays all requests and tasks."""

from __future__ import annotations

import asyncio

from models.metrics.definitions import EVENT_LOOP_LAG
from models.metrics.instruments import Instruments

_SLEEP_SECONDS = 0.5  # a shorter lag may fall between two measurements


async def measure_lag(instruments: Instruments) -> None:
    """Sleep repeatedly and record how much longer it took, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _SLEEP_SECONDS
        await asyncio.sleep(_SLEEP_SECONDS)
        instruments.observe(EVENT_LOOP_LAG, max(0.0, loop.time() - due))
