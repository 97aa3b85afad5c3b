"""How late the event loop is: what blocks it makes everybody wait."""

from __future__ import annotations

import asyncio

from models.metrics.definitions import LAG
from models.metrics.instruments import Instruments

_PAUSE = 0.5  # seconds of one sleep; a lag shorter than that may fall between two looks


async def watch(instruments: Instruments) -> None:
    """Sleep and see how much longer it took, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _PAUSE
        await asyncio.sleep(_PAUSE)
        instruments.observe(LAG, max(0.0, loop.time() - due))
