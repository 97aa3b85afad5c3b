"""Connections from strangers: how many there may be, in all and from one address."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

import structlog

from models.errors import TooManyConnections
from models.settings import Settings
from service.http.errors import answer, spoken

log = structlog.get_logger()

_LOOK = 0.5  # seconds between two looks at all connections
_MOST_REFUSED = 100  # that read why at the same time; more are cut without a word
_SPARE_FILES = 256  # open files beside connections: stores, logs, pictures on their way
_RETRY_AFTER = 5
_COMPLAINT = 60.0  # seconds between two lines in the log about refused connections


class Watched(Protocol):
    """What is counted: something to look at now and then."""

    def look(self, now: float) -> None: ...


class ConnectionLimiter:
    """All connections of a service."""

    def __init__(self, settings: Settings, files: int) -> None:
        """``files``: how many this process may open."""
        self._per_client = settings.max_connections_per_client
        self._most = max(1, min(settings.max_connections, files - _SPARE_FILES))
        self._open: set[Watched] = set()
        self._refused: set[Watched] = set()
        self._by_client: Counter[str] = Counter()
        self._complained = 0.0
        if self._most < settings.max_connections:
            log.warning("few_files", setting="MAX_CONNECTIONS", files=files, connections=self._most)

    def enter(self, connection: Watched, client: str) -> bytes | None:
        """Count a new connection; return the answer that refuses it, b"" for none at all."""
        if len(self._open) >= self._most:
            refusal = _too_many("MAX_CONNECTIONS", self._most, "in all")
        elif client and self._by_client[client] >= self._per_client:
            refusal = _too_many("MAX_CONNECTIONS_PER_CLIENT", self._per_client, "from your address")
        else:
            self._open.add(connection)
            self._by_client[client] += 1
            return None
        self._complain(refusal)
        if len(self._refused) >= _MOST_REFUSED:
            return b""
        self._refused.add(connection)
        return spoken(answer(refusal))

    def leave(self, connection: Watched, client: str) -> None:
        self._refused.discard(connection)
        if connection in self._open:
            self._open.discard(connection)
            self._by_client[client] -= 1
            if self._by_client[client] <= 0:
                del self._by_client[client]

    async def watch(self) -> None:
        """Close what is too slow, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK)
            for each in [*self._open, *self._refused]:
                try:
                    each.look(loop.time())
                except Exception:  # one that cannot be looked at must not keep the others open
                    log.exception("look_failed")

    def _complain(self, refusal: TooManyConnections) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._complained:
            self._complained = now + _COMPLAINT
            log.warning("connections_refused", **refusal.document())


def _too_many(setting: str, limit: int, where: str) -> TooManyConnections:
    return TooManyConnections(
        f"{limit} connections are open {where} ({setting}); close one, or try again shortly",
        setting=setting,
        limit=limit,
        retry_after=_RETRY_AFTER,
    )
