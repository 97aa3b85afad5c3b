"""Read a child's standard error and log it within limits.

Libraries report there, and Python says why it exits. An image that took the child over can write
there too: its text becomes a value in the log, never a log line of its own, and it is limited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_MAX_LINES = 100  # logged of one task; the very last line comes on top
_MAX_LINE_BYTES = 500
_CHUNK_BYTES = 1 << 16
_FLOOD_PAUSE_SECONDS = 0.01  # between two chunks of a flood: keeps the event loop free


class StderrReader:
    """Reads ``stream`` to its end, so that a child that writes never blocks.

    ``log_line`` is called with each line to log.
    """

    def __init__(self, stream: asyncio.StreamReader, log_line: Callable[[str], None]) -> None:
        self._stream = stream
        self._log_line = log_line
        self._lines = 0
        self._last_skipped = b""
        self._reading = asyncio.create_task(self._read())

    def start_task(self) -> None:
        """Reset the line limit for a new task."""
        self._lines = 0

    async def wait_closed(self) -> None:
        """Return when all output of a dead child was read."""
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        rest = b""
        while data := await self._stream.read(_CHUNK_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._handle_line(line)
            rest = rest[:_MAX_LINE_BYTES]
            if self._lines > _MAX_LINES:
                await asyncio.sleep(_FLOOD_PAUSE_SECONDS)
        self._handle_line(rest)
        if self._last_skipped:  # often says why it died
            self._log_line(_text(self._last_skipped))

    def _handle_line(self, line: bytes) -> None:
        if not line.strip():
            return
        self._lines += 1
        self._last_skipped = b"" if self._lines <= _MAX_LINES else line[:_MAX_LINE_BYTES]
        if not self._last_skipped:
            self._log_line(_text(line))


def _text(line: bytes) -> str:
    return line[:_MAX_LINE_BYTES].decode("utf-8", "replace")
