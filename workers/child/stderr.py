"""What a child writes to its standard error: read by its worker, and logged within bounds.

Libraries complain there, and Python says why it ends. So does whatever a picture made of the child:
what it writes becomes a value in the log, never a line of it, and never without end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_MOST = 100  # lines of one task that are logged, and the last one of all
_LONGEST = 500  # bytes of a line
_CHUNK = 1 << 16
_PAUSE = 0.01  # seconds between two chunks of a flood: it does not keep the loop busy


class Stderr:
    """Reads ``stream`` to its end: else a child that writes would wait for ever.

    ``say`` is called with each line that is to be logged.
    """

    def __init__(self, stream: asyncio.StreamReader, say: Callable[[str], None]) -> None:
        self._stream = stream
        self._say = say
        self._lines = 0
        self._unsaid = b""
        self._reading = asyncio.create_task(self._read())

    def begin(self) -> None:
        """Let a task say as much as any other."""
        self._lines = 0

    async def end(self) -> None:
        """Return when all was read of a child that is dead."""
        await asyncio.wait({self._reading})

    async def _read(self) -> None:
        rest = b""
        while data := await self._stream.read(_CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._line(line)
            rest = rest[:_LONGEST]
            if self._lines > _MOST:
                await asyncio.sleep(_PAUSE)
        self._line(rest)
        if self._unsaid:  # why it died, after much else
            self._say(_text(self._unsaid))

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        self._lines += 1
        self._unsaid = b"" if self._lines <= _MOST else line[:_LONGEST]
        if not self._unsaid:
            self._say(_text(line))


def _text(line: bytes) -> str:
    return line[:_LONGEST].decode("utf-8", "replace")
