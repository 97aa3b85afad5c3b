"""Memory as a worker gives it out: who does not fit beside the others waits for its turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """``size`` bytes that tasks hold parts of; first come, first served.

    Whoever comes while somebody waits waits behind, even if there is room: small tasks one after
    the other would otherwise keep a large one out for ever.
    """

    def __init__(self, size: int) -> None:
        self.free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    @asynccontextmanager
    async def hold(self, need: int) -> AsyncIterator[None]:
        """Wait until ``need`` bytes are free, at most the whole size, and hold them."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (need, turn)
        self._waiting.append(entry)
        self._admit()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self.free += need
            else:  # cancelled while it waited
                self._waiting.remove(entry)
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.free:
            need, turn = self._waiting[0]
            if turn.cancelled():  # its owner is about to take it out and to call again
                return
            self._waiting.popleft()
            self.free -= need
            turn.set_result(None)
