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
        self.value: T

    async def get(self) -> T:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                self.value = await self._ask()
                fresh = _FRESH if self._seconds is None else self._seconds
                self._until = asyncio.get_running_loop().time() + fresh
        return self.value
