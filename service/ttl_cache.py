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

    async def get(self, due: Callable[[float], bool] | None = None) -> T:
        """Return the figure; if asking fails, all who waited for it fail with it, and at once.

        Else each would ask in its turn, and wait for a store that is away as long as the first.
        ``due``: whether to ask again, instead of by its age; given when it was wanted.
        """
        wanted = asyncio.get_running_loop().time()
        async with self._lock:
            if self._failed and self._failed[0] >= wanted:
                raise self._failed[1]
            if self._until == -math.inf or (due or self._old)(wanted):
                try:
                    self.value = await self._ask()
                except Exception as error:
                    self._failed = asyncio.get_running_loop().time(), error
                    raise
                fresh = _FRESH if self._seconds is None else self._seconds
                self._until = asyncio.get_running_loop().time() + fresh
        return self.value

    def _old(self, _: float) -> bool:
        return asyncio.get_running_loop().time() >= self._until
