"""How fast an upload must arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from models.errors import TooSlow
from models.settings import Settings

T = TypeVar("T")


class Pace:
    """UPLOAD_TIMEOUT seconds a picture, UPLOAD_MIN_RATE bytes a second on average after a grace.

    And no more than UPLOAD_STALL seconds without a byte: what came fast is no leave to stop.

    ``received`` and ``pictures`` are the numbers of bytes and pictures that came, kept by the
    caller.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._began = asyncio.get_running_loop().time()
        self.received = 0
        self.pictures = 0

    async def hold(self, arriving: Awaitable[T]) -> T:
        """Wait for what is arriving.

        Raises:
            TooSlow: it did not come in time.
        """
        s, waiting = self._settings, asyncio.get_running_loop().time()
        limit = s.upload_timeout * max(1, self.pictures)
        allowed = min(s.upload_grace + self.received / s.upload_min_rate, limit)
        end, stall = self._began + allowed, waiting + s.upload_stall
        try:
            async with asyncio.timeout_at(min(end, stall)):
                return await arriving
        except TimeoutError:
            if stall < end:
                raise TooSlow(
                    f"nothing came for {s.upload_stall:g} s (UPLOAD_STALL), after "
                    f"{self.received} bytes",
                    measured=self.received,
                    limit=s.upload_stall,
                ) from None
            seconds = asyncio.get_running_loop().time() - self._began
            raise TooSlow(
                f"{self.received} bytes came in {seconds:.1f} s; an upload must keep up "
                f"{s.upload_min_rate} bytes a second (UPLOAD_MIN_RATE) and end within "
                f"{limit:g} s (UPLOAD_TIMEOUT for each picture)",
                measured=self.received,
                min_rate=s.upload_min_rate,
                limit=limit,
            ) from None
