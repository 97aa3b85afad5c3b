"""TTLCache: one value with a time to live, loaded by one caller for all (single flight)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_DEFAULT_TTL_SECONDS = 1.0


class TTLCache(Generic[T]):
    """A value that ``load`` gives, cached for ``seconds`` (default: 1)."""

    def __init__(self, load: Callable[[], Awaitable[T]], seconds: float | None = None) -> None:
        self._load = load
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._until = -math.inf
        self._failed: tuple[float, Exception] | None = None
        self.value: T

    async def get(self, due: Callable[[float], bool] | None = None) -> T:
        """Return the value; if loading fails, all callers that waited for it fail at once.

        Otherwise each of them would wait for an unavailable store as long as the first.
        ``due``: decides whether to load again instead of the age; gets the time of this call.
        """
        wanted = asyncio.get_running_loop().time()
        async with self._lock:
            if self._failed and self._failed[0] >= wanted:
                raise self._failed[1]
            if self._until == -math.inf or (due or self._expired)(wanted):
                try:
                    self.value = await self._load()
                except Exception as error:
                    self._failed = asyncio.get_running_loop().time(), error
                    raise
                fresh = _DEFAULT_TTL_SECONDS if self._seconds is None else self._seconds
                self._until = asyncio.get_running_loop().time() + fresh
        return self.value

    def _expired(self, _: float) -> bool:
        return asyncio.get_running_loop().time() >= self._until
