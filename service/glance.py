"""Figures that many ask for at once, and one of them asks the store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_FRESH = 1.0  # seconds a figure is good for, unless said


class Glance(Generic[T]):
    """A figure that is asked for again only when it is ``seconds`` old, a second unless said."""

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: float | None = None) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._until = -math.inf
        self._failed: tuple[float, Exception] | None = None
        self.value: T

    async def get(self) -> T:
        """Return the figure; if asking fails, all who waited for it fail with it, and at once.

        Else each would ask in its turn, and wait for a store that is away as long as the first.
        """
        asked = asyncio.get_running_loop().time()
        async with self._lock:
            if self._failed and self._failed[0] >= asked:
                raise self._failed[1]
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                try:
                    self.value = await self._ask()
                except Exception as error:
                    self._failed = asyncio.get_running_loop().time(), error
                    raise
                self._failed = None
                fresh = _FRESH if self._seconds is None else self._seconds
                self._until = asyncio.get_running_loop().time() + fresh
        return self.value
