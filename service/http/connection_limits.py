"""Connection limits: MAX_CONNECTIONS in total, MAX_CONNECTIONS_PER_CLIENT per address."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

import structlog

from models.errors import TooManyConnections
from models.settings import Settings
from service.http.errors import error_response, serialize_response

log = structlog.get_logger()

_CHECK_SECONDS = 0.5  # between two checks for slow connections
_MAX_REFUSED = 100  # refused clients that get a response at the same time; more are aborted
_SPARE_FILES = 256  # open files besides connections: stores, logs, uploads
_RETRY_AFTER_SECONDS = 5
_LOG_SECONDS = 60.0  # between two log lines about refused connections


class LimitedConnection(Protocol):
    """A counted connection that closes itself when it is too slow."""

    def close_if_slow(self, now: float) -> None: ...


class ConnectionLimiter:
    """Counts the open connections of a service and refuses those above the limits."""

    def __init__(self, settings: Settings, files: int) -> None:
        """``files``: RLIMIT_NOFILE of this process."""
        self._per_client = settings.max_connections_per_client
        self._max_open = max(1, min(settings.max_connections, files - _SPARE_FILES))
        self._open: set[LimitedConnection] = set()
        self._refused: set[LimitedConnection] = set()
        self._by_client: Counter[str] = Counter()
        self._next_log_at = 0.0
        if self._max_open < settings.max_connections:
            log.warning(
                "few_files", setting="MAX_CONNECTIONS", files=files, connections=self._max_open
            )

    def register(self, connection: LimitedConnection, client: str) -> bytes | None:
        """Return None if accepted, else the raw refusal; b"" closes without one."""
        if len(self._open) >= self._max_open:
            refusal = _too_many("MAX_CONNECTIONS", self._max_open, "in all")
        elif client and self._by_client[client] >= self._per_client:
            refusal = _too_many("MAX_CONNECTIONS_PER_CLIENT", self._per_client, "from your address")
        else:
            self._open.add(connection)
            self._by_client[client] += 1
            return None
        self._log_refusal(refusal)
        if len(self._refused) >= _MAX_REFUSED:
            return b""
        self._refused.add(connection)
        return serialize_response(error_response(refusal))

    def unregister(self, connection: LimitedConnection, client: str) -> None:
        self._refused.discard(connection)
        if connection in self._open:
            self._open.discard(connection)
            self._by_client[client] -= 1
            if self._by_client[client] <= 0:
                del self._by_client[client]

    async def watch(self) -> None:
        """Close slow connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for connection in [*self._open, *self._refused]:
                try:
                    connection.close_if_slow(loop.time())
                except Exception:  # one failure must not keep the other connections open
                    log.exception("connection_check_failed")

    def _log_refusal(self, refusal: TooManyConnections) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next_log_at:
            self._next_log_at = now + _LOG_SECONDS
            log.warning("connections_refused", **refusal.document())


def _too_many(setting: str, limit: int, where: str) -> TooManyConnections:
    return TooManyConnections(
        f"{limit} connections are open {where} ({setting}); close one, or try again shortly",
        setting=setting,
        limit=limit,
        retry_after=_RETRY_AFTER_SECONDS,
    )
