"""Figures that many ask for at once, and one of them asks the store."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_FRESH = 1.0  # seconds a figure is good for


class Glance(Generic[T]):
    """A figure that is asked for again only when it is a second old."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._until = -math.inf
        self.value: T

    async def get(self) -> T:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                self.value = await self._ask()
                self._until = asyncio.get_running_loop().time() + _FRESH
        return self.value
