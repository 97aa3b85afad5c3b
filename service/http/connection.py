"""Client connections: their number is limited, slow headers (slowloris) and readers time out.

aiohttp does neither; it only closes an idle connection KEEPALIVE_TIMEOUT after a response.
Request bodies are timed by ``service.http.request_body``.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong

from models.errors import (
    AppError,
    BadRequest,
    InternalError,
    RequestHeadTooLarge,
    TooManyConnections,
)
from models.settings.http import HttpSettings
from models.settings.limits import LimitSettings
from models.slots import Slots
from service.http.errors import raw_error_response
from service.http.paced_reading import PacedConnection, Turns
from service.http.request_context import client_network

log = structlog.get_logger()

_CHECK_SECONDS = 0.5  # between two checks for slow connections
_MAX_REFUSED = 100  # refused clients that get a response at the same time; more are aborted
_SPARE_FILES = 256  # open files besides connections: stores, logs, uploads
_RETRY_AFTER_SECONDS = 5
_LOG_SECONDS = 60.0  # between two log lines about refused connections
_REFUSAL_SECONDS = 1.0  # a refused client gets this long to read the response
_LINGER_SECONDS = 2.0  # a body is read on and dropped, so that the client reads the response
_MAX_LINE_BYTES = 8190  # of a path with its query, or of a header: aiohttp's default
_MAX_HEADERS = 100  # browsers send twenty
_MAX_HEAD_BYTES = 32_768  # of a head that arrives in pieces, since they are kept in memory
_MIN_RESPONSE_RATE = 1024  # bytes a second over RESPONSE_STALL_TIMEOUT: a slow modem is faster


class Connection(PacedConnection):
    """aiohttp protocol of one connection."""

    def __init__(
        self, limiter: ConnectionLimiter, settings: HttpSettings, server: web.Server
    ) -> None:
        s = settings
        super().__init__(
            limiter.turns,
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=s.keepalive_timeout,
            lingering_time=_LINGER_SECONDS,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_HEADERS,
            auto_decompress=False,  # no route accepts a compressed body
            # service.http.request_context logs each request once, with its id.
            access_log=cast(Any, None),
        )
        self._limiter = limiter
        self._settings = s
        self._client = ""
        self._socket_transport: asyncio.Transport
        self._accepted = False
        self._refused_at: float | None = None
        self._head_since: float | None = None
        self._head_bytes = 0
        self._stall: tuple[float, int] | None = None  # start time, bytes left then
        self._resumed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket_transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if peer and not self._settings.proxies:
            self._client = client_network(str(peer[0]))
        refusal = self._limiter.register(self, self._client)
        if refusal is None:
            self._accepted = True
            self._head_since = self._loop.time()
            super().connection_made(transport)
        elif refusal:
            self._refuse(refusal)
        else:
            self._refused_at = self._loop.time()
            self._socket_transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._limiter.unregister(self, self._client)
        if self._accepted:  # aiohttp never saw a refused connection
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused_at is not None:
            return
        super().data_received(data)
        if not self._awaits_head():
            self._head_since, self._head_bytes = None, 0
            return
        if self._head_since is None:
            self._head_since = self._loop.time()
        self._head_bytes += len(data)
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.close()
            error = RequestHeadTooLarge(
                f"the request head is longer than {_MAX_HEAD_BYTES} bytes", limit=_MAX_HEAD_BYTES
            )
            self._refuse(raw_error_response(error))

    def resume_writing(self) -> None:
        self._resumed = True
        super().resume_writing()

    def close_if_slow(self, now: float) -> None:
        """Close the connection if the client sends its head or reads its response too slowly."""
        s = self._settings
        if self._refused_at is not None:
            if now - self._refused_at > _REFUSAL_SECONDS:
                self._socket_transport.abort()
            return
        since = self._head_since
        if since is not None and self._awaits_head() and now - since > s.header_timeout:
            log.debug("slow_client_closed", phase="head")
            self.force_close()
        left = self._socket_transport.get_write_buffer_size()
        if not left:
            self._stall = None
        elif self._stall is None:
            self._stall, self._resumed = (now, left), False
        elif now - self._stall[0] > s.response_stall_timeout:
            taken = self._stall[1] - left
            if self._resumed or taken >= _MIN_RESPONSE_RATE * s.response_stall_timeout:
                self._stall, self._resumed = (now, left), False
            else:
                log.debug("slow_client_closed", phase="response")
                self._socket_transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return problem+json for malformed HTTP and for exceptions that no middleware caught."""
        if isinstance(exc, HttpProcessingError | ConnectionError):  # malformed, or disconnected
            log.debug("client_error", reason=type(exc).__name__)
        else:
            log.error("unexpected_error", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError(
                "response already started: an error document would become part of it"
            )
        return _RawResponse(raw_error_response(_error(exc)))

    def _awaits_head(self) -> bool:
        """Tell whether a request head is awaited; aiohttp's timer checks the same future."""
        return self._waiter is not None and not self._waiter.done()

    def _refuse(self, refusal: bytes) -> None:
        """Send the refusal and close; drop input for a moment, else a reset loses the response."""
        self._refused_at = self._loop.time()
        self._socket_transport.write(refusal)
        self._socket_transport.write_eof()


class ConnectionLimiter:
    """Counts the open connections of a service and refuses those above the limits."""

    def __init__(self, settings: LimitSettings, files: int) -> None:
        """``files``: RLIMIT_NOFILE of this process."""
        limit = max(1, min(settings.max_connections, files - _SPARE_FILES))
        self._slots = Slots(
            ("MAX_CONNECTIONS_PER_CLIENT", settings.max_connections_per_client),
            ("MAX_CONNECTIONS", limit),
        )
        self.turns = Turns()
        self._open: set[Connection] = set()
        self._refused: set[Connection] = set()
        self._next_log_at = 0.0
        if limit < settings.max_connections:
            log.warning("few_files", setting="MAX_CONNECTIONS", files=files, connections=limit)

    def register(self, connection: Connection, client: str) -> bytes | None:
        """Return None if accepted, else the raw refusal; b"" closes without one."""
        reached = self._slots.exceeded(client)
        if reached is None:
            self._open.add(connection)
            self._slots.take(client)
            return None
        where = "from your address" if reached.own else "in all"
        refusal = TooManyConnections(
            f"{reached.limit} connections are open {where} ({reached.setting}); close one, or try "
            "again shortly",
            setting=reached.setting,
            limit=reached.limit,
            retry_after=_RETRY_AFTER_SECONDS,
        )
        now = asyncio.get_running_loop().time()
        if now >= self._next_log_at:
            self._next_log_at = now + _LOG_SECONDS
            log.warning("connections_refused", **refusal.document())
        if len(self._refused) >= _MAX_REFUSED:
            return b""
        self._refused.add(connection)
        return raw_error_response(refusal)

    def unregister(self, connection: Connection, client: str) -> None:
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


class _RawResponse(web.Response):
    """Pre-serialized response to a malformed request; closes the connection."""

    def __init__(self, written: bytes) -> None:
        super().__init__()
        self._written = written
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        if request.transport is not None:
            request.transport.write(self._written)

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def _error(exc: BaseException | None) -> AppError:
    if isinstance(exc, LineTooLong):
        return RequestHeadTooLarge(
            f"the URL or a header is longer than {_MAX_LINE_BYTES} bytes", limit=_MAX_LINE_BYTES
        )
    if isinstance(exc, BadHttpMessage) and exc.message.startswith("Too many headers"):
        return RequestHeadTooLarge(
            f"the request has more than {_MAX_HEADERS} headers", limit=_MAX_HEADERS
        )
    if isinstance(exc, HttpProcessingError):
        reason = exc.message.split("\n")[0].rstrip(":.")[:80]
        return BadRequest(f"malformed HTTP request: {reason!a}")
    return InternalError("internal server error")
