"""Reads that are costly to parse take turns, so that they leave the event loop to the others.

A body in chunks of one byte costs a hundred times as much for each byte as one in large chunks, and
as many connections may send them as a client may open. So may a server of which a picture is
fetched, or send heads of 1xx without end.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler

READ_BUFFER_BYTES = 64 * 1024
"""aiohttp stops parsing after a sixteenth as many chunks, until the handler has taken them."""

_CHEAP_SECONDS = 0.001  # of processor time: a read of a large chunk takes a tenth, a request more
_SHARE = 4  # costly reads take one part of so many of the event loop's time


class Turns:
    """When each connection may read again; one for all connections of a service."""

    def __init__(self) -> None:
        self._next = 0.0

    def take(self, now: float, cost: float) -> float:
        """Return the time of the next read of a connection whose last one took ``cost`` seconds."""
        self._next = max(now, self._next) + _SHARE * cost
        return self._next


class _Paced(BaseProtocol):
    """aiohttp protocol that stops reading after a costly read, until it is its turn."""

    def __init__(self, turns: Turns, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._turns = turns
        self._turn: asyncio.TimerHandle | None = None
        self._full = False  # aiohttp holds as much as it may, until the handler reads

    def data_received(self, data: bytes) -> None:
        """Parse ``data``; aiohttp calls it with b"" to go on with what it left."""
        began = time.thread_time()
        super().data_received(data)
        cost = time.thread_time() - began
        if cost > _CHEAP_SECONDS and self._turn is None and self.transport is not None:
            self.transport.pause_reading()
            at = self._turns.take(self._loop.time(), cost)
            self._turn = self._loop.call_at(at, self._go_on)

    def pause_reading(self) -> None:
        self._full = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        self._full = False
        if self._turn is None:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._turn is not None:
            self._turn.cancel()
        super().connection_lost(exc)

    def _go_on(self) -> None:
        self._turn = None
        if not self._full:
            super().resume_reading()


class PacedConnection(_Paced, web.RequestHandler):
    """The connection of a client."""

    def __init__(self, turns: Turns, server: web.Server, **options: Any) -> None:
        super().__init__(turns, server, read_bufsize=READ_BUFFER_BYTES, **options)


class PacedResponse(_Paced, ResponseHandler):
    """The connection to a server that we call."""

    def __init__(self, turns: Turns) -> None:
        super().__init__(turns, asyncio.get_running_loop())
