"""One who asks: by aiohttp where HTTP is kept to, by a bare socket where it is not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bench.soak.records import Books

_SUBMITTED = frozenset({200, 202})
_MOST = 64 * 1024
_ANSWER_SECONDS = 20
_BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
_SAFE = frozenset({"GET", "HEAD"})


class Visitor:
    """A lane's hands; ``act`` says what it is doing at the moment."""

    def __init__(
        self,
        kept: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        url: str,
        port: int,
        books: Books,
        rng: random.Random,
    ) -> None:
        """``kept``: keeps its connections; ``fresh``: makes a new one for each request.

        A request on a connection that is just being closed is lost; only what is safe to ask again
        is asked again by aiohttp.
        """
        self._kept = kept
        self._fresh = fresh
        self._url = url
        self._port = port
        self.books = books
        self.rng = rng
        self.act = ""

    async def ask(
        self, method: str, path: str, *, must: bool = False, **given: Any
    ) -> tuple[int, bytes]:
        """Return (status, body) of an answer, (0, b"") where there was none.

        ``must``: it is a fault if there is none.
        """
        session = self._kept if method in _SAFE else self._fresh
        try:
            async with session.request(method, self._url + path, **given) as response:
                body = await response.read()
        except _BROKEN as error:
            self.books.ended(self.act, "closed")
            if must:
                self.books.fault(f"{self.act}: {method} {path}: {error!r}")
            return 0, b""
        self.books.note(self.act, response.status, response.headers, body)
        return response.status, body

    async def submit(
        self, path: str, form: aiohttp.FormData, *, must: bool = True
    ) -> list[dict[str, Any]]:
        """Return the tasks that were promised; none if the service had no room for them.

        ``must``: it is a fault if there is no answer. There may be none where a submission is
        refused before it has arrived.
        """
        status, body = await self.ask("POST", path, data=form, must=must)
        if status not in _SUBMITTED:
            return []
        said = json.loads(body)
        tasks = [task for task in said.get("tasks", [said]) if task.get("task_id")]
        for task in tasks:
            self.books.promise(task["task_id"])
        if len(tasks) > 1:
            self.books.groups.append(said["group_id"])
        return tasks

    @asynccontextmanager
    async def line(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a bare connection; it is cut without a goodbye when the block ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_MOST)
        try:
            with contextlib.suppress(ConnectionError):
                yield reader, writer
        finally:
            # Zero seconds to linger: the peer gets a reset, whatever was on its way.
            held = writer.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, seconds: float = _ANSWER_SECONDS) -> None:
        """Note the status that comes, or how the connection ends, within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            self.books.ended(self.act, "left")
        except asyncio.IncompleteReadError:
            self.books.ended(self.act, "closed")
        except (ConnectionError, asyncio.LimitOverrunError):
            self.books.ended(self.act, "reset")
        else:
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.strip().title(): "" for name, _, _ in (x.partition(":") for x in lines)}
            self.books.note(self.act, int(first.split()[1]), headers, head)
