"""Minimum upload rate (slow clients): UPLOAD_MIN_RATE, UPLOAD_STALL_TIMEOUT, UPLOAD_TIMEOUT."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from models.errors import UploadTooSlow
from models.settings import Settings

T = TypeVar("T")

_GRACE_SHARE = 6  # of UPLOAD_STALL_TIMEOUT: an upload may begin slowly, for 5 s by default


class MinimumRate:
    """At least UPLOAD_MIN_RATE bytes/s on average, at most UPLOAD_TIMEOUT seconds per image.

    It may be slower in the first sixth of UPLOAD_STALL_TIMEOUT, the most seconds that may pass
    without a byte. The user of the class updates ``received_bytes`` and ``images``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._began = asyncio.get_running_loop().time()
        self.received_bytes = 0
        self.images = 0

    async def read(self, arriving: Awaitable[T]) -> T:
        """Await the next chunk.

        Raises:
            UploadTooSlow: the upload stalled or is too slow.
        """
        s, waiting = self._settings, asyncio.get_running_loop().time()
        limit = s.upload_timeout * max(1, self.images)
        grace = s.upload_stall_timeout / _GRACE_SHARE
        allowed = min(grace + self.received_bytes / s.upload_min_rate, limit)
        end, stall = self._began + allowed, waiting + s.upload_stall_timeout
        try:
            async with asyncio.timeout_at(min(end, stall)):
                return await arriving
        except TimeoutError:
            if stall < end:
                raise UploadTooSlow(
                    f"no data for {s.upload_stall_timeout:g} s (UPLOAD_STALL_TIMEOUT), after "
                    f"{self.received_bytes} bytes",
                    measured=self.received_bytes,
                    limit=s.upload_stall_timeout,
                ) from None
            seconds = asyncio.get_running_loop().time() - self._began
            raise UploadTooSlow(
                f"{self.received_bytes} bytes received in {seconds:.1f} s; the minimum is "
                f"{s.upload_min_rate} bytes per second (UPLOAD_MIN_RATE) and must end within "
                f"{limit:g} s (UPLOAD_TIMEOUT per picture)",
                measured=self.received_bytes,
                min_rate=s.upload_min_rate,
                limit=limit,
            ) from None
