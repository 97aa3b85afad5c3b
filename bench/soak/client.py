"""The client of a lane: aiohttp for valid HTTP, a raw socket for everything else."""

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

from bench.soak.darkroom import Darkroom
from bench.soak.records import Records

_ACCEPTED_STATUSES = frozenset({200, 202})
_MAX_HEAD_BYTES = 64 * 1024
_RESPONSE_SECONDS = 20
_CONNECTION_ERRORS = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class SoakClient:
    """The client of one lane; ``act`` names what it does at the moment."""

    def __init__(
        self,
        kept: aiohttp.ClientSession,
        fresh: aiohttp.ClientSession,
        darkroom: Darkroom,
        records: Records,
        rng: random.Random,
        address: str,
    ) -> None:
        """``kept``: keeps its connections; ``fresh``: makes a new one for each request.

        Both connect from ``address``, as raw connections do.

        A request on a connection that is just being closed is lost; aiohttp repeats only safe
        methods.
        """
        self._kept = kept
        self._fresh = fresh
        self._darkroom = darkroom
        self._source = (address, 0)
        self.records = records
        self.rng = rng
        self.act = ""

    async def request(
        self, method: str, path: str, *, must: bool = False, **given: Any
    ) -> tuple[int, bytes]:
        """Return (status, body) of the response, (0, b"") without one.

        ``must``: a missing response is a fault.
        """
        session = self._kept if method in _SAFE_METHODS else self._fresh
        try:
            async with session.request(method, self._darkroom.url + path, **given) as response:
                body = await response.read()
        except _CONNECTION_ERRORS as error:
            self.records.record_disconnect(self.act, "closed")
            if must:
                self.records.fault(f"{self.act}: {method} {path}: {error!r}")
            return 0, b""
        self.records.record(self.act, response.status, response.headers, body)
        return response.status, body

    async def submit(
        self, path: str, form: aiohttp.FormData, *, must: bool = True
    ) -> list[dict[str, Any]]:
        """Return the accepted tasks; none if the service refused them.

        ``must``: a missing response is a fault. A submission that is refused before it has arrived
        may have none.
        """
        status, body = await self.request("POST", path, data=form, must=must)
        if status not in _ACCEPTED_STATUSES:
            return []
        said = json.loads(body)
        tasks = [task for task in said.get("tasks", [said]) if task.get("task_id")]
        for task in tasks:
            self.records.accept(task["task_id"])
        if len(tasks) > 1:
            self.records.groups.append(said["group_id"])
        return tasks

    @asynccontextmanager
    async def raw_connection(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Open a raw connection; it is reset when the block ends."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._darkroom.port, limit=_MAX_HEAD_BYTES, local_addr=self._source
        )
        try:
            with contextlib.suppress(ConnectionError):
                yield reader, writer
        finally:
            # SO_LINGER of zero seconds: the peer gets a reset, whatever was on its way.
            held = writer.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()

    async def record_response(
        self, reader: asyncio.StreamReader, seconds: float = _RESPONSE_SECONDS
    ) -> None:
        """Record the status that comes, or how the connection ends, within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                head = await reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            self.records.record_disconnect(self.act, "left")
        except asyncio.IncompleteReadError:
            self.records.record_disconnect(self.act, "closed")
        except (ConnectionError, asyncio.LimitOverrunError):
            self.records.record_disconnect(self.act, "reset")
        else:
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.strip().title(): "" for name, _, _ in (x.partition(":") for x in lines)}
            self.records.record(self.act, int(first.split()[1]), headers, head)
