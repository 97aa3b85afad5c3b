"""A weighted FIFO semaphore: a worker's memory budget, shared by its tasks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_SHORT_BYTES = 500_000_000  # of a child, for pictures of some megapixels; the reserve has it


class MemorySemaphore:
    """``size`` bytes that tasks reserve parts of, first come, first served.

    A newcomer queues behind waiting tasks even if it would fit: small tasks could otherwise starve
    a large one.
    """

    def __init__(self, size: int) -> None:
        self.free_bytes = size
        self._let_through = False
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """Number of waiting tasks."""
        return len(self._waiting)

    @asynccontextmanager
    async def reserve(self, need: int, *, short: bool = False) -> AsyncIterator[None]:
        """Wait until ``need`` bytes (at most the whole size) are free, and reserve them.

        ``short``: a short task that needs little; of those that would wait one is let through.
        """
        would_wait = bool(self._waiting) or need > self.free_bytes
        if short and would_wait and need <= _SHORT_BYTES and not self._let_through:
            self._let_through = True
            try:
                yield
            finally:
                self._let_through = False
            return
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (need, admitted)
        self._waiting.append(entry)
        self._admit()
        try:
            await admitted
            yield
        finally:
            if admitted.done() and not admitted.cancelled():
                self.free_bytes += need
            else:  # cancelled while it waited
                self._waiting.remove(entry)
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free_bytes:
            need, admitted = self._waiting[0]
            if admitted.cancelled():  # its owner will remove it and call this again
                return
            self._waiting.popleft()
            self.free_bytes -= need
            admitted.set_result(None)
