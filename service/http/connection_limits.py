"""Connection limits: MAX_CONNECTIONS in total, MAX_CONNECTIONS_PER_CLIENT per address."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from models.errors import TooManyConnections
from models.settings import Settings
from models.slots import Exceeded, Slots
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
        limit = max(1, min(settings.max_connections, files - _SPARE_FILES))
        self._slots = Slots(
            ("MAX_CONNECTIONS_PER_CLIENT", settings.max_connections_per_client),
            ("MAX_CONNECTIONS", limit),
        )
        self._open: set[LimitedConnection] = set()
        self._refused: set[LimitedConnection] = set()
        self._next_log_at = 0.0
        if limit < settings.max_connections:
            log.warning("few_files", setting="MAX_CONNECTIONS", files=files, connections=limit)

    def register(self, connection: LimitedConnection, client: str) -> bytes | None:
        """Return None if accepted, else the raw refusal; b"" closes without one."""
        reached = self._slots.exceeded(client)
        if reached is None:
            self._open.add(connection)
            self._slots.take(client)
            return None
        refusal = _too_many(reached)
        self._log_refusal(refusal)
        if len(self._refused) >= _MAX_REFUSED:
            return b""
        self._refused.add(connection)
        return serialize_response(error_response(refusal))

    def unregister(self, connection: LimitedConnection, client: str) -> None:
        self._refused.discard(connection)
        if connection in self._open:
            self._open.discard(connection)
            self._slots.free(client)

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


def _too_many(reached: Exceeded) -> TooManyConnections:
    where = "from your address" if reached.own else "in all"
    return TooManyConnections(
        f"{reached.limit} connections are open {where} ({reached.setting}); close one, or try "
        "again shortly",
        setting=reached.setting,
        limit=reached.limit,
        retry_after=_RETRY_AFTER_SECONDS,
    )
