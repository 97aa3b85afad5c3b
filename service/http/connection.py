"""One client's connection, and how slow it may be; aiohttp bounds neither heads nor slow readers.

What aiohttp does by itself: it closes an idle connection KEEPALIVE_TIMEOUT after an answer. Bodies
are timed where they are read, by ``service.http.upload_rate``.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong

from models.errors import AppError, BadRequest, HeadTooLarge, Internal
from models.settings import Settings
from service.http.client_ip import network
from service.http.connection_limits import ConnectionLimiter
from service.http.errors import answer, spoken

log = structlog.get_logger()

_LAST_WORD = 1.0  # seconds that one which was refused has to read why


class Connection(web.RequestHandler):
    """The protocol of one connection."""

    def __init__(self, crowd: ConnectionLimiter, settings: Settings, server: web.Server) -> None:
        s = settings
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=s.keepalive_timeout,
            lingering_time=s.linger_timeout,
            max_line_size=s.max_line_bytes,
            max_field_size=s.max_header_bytes,
            max_headers=s.max_headers,
            auto_decompress=False,  # no route takes a compressed body, so none is unpacked
            access_log=cast(
                Any, None
            ),  # service.http.request_context writes one line a request, with its id
        )
        self._crowd = crowd
        self._settings = s
        self._client = ""
        self._wire: asyncio.Transport
        self._entered = False
        self._refused_at: float | None = None
        self._head_since: float | None = None
        self._head_bytes = 0
        self._stall: tuple[float, int] | None = None  # since when, and how much was left then
        self._resumed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if peer and not self._settings.proxies:
            self._client = network(str(peer[0]))
        refusal = self._crowd.enter(self, self._client)
        if refusal is None:
            self._entered = True
            self._head_since = self._loop.time()
            super().connection_made(transport)
        elif refusal:
            self._refuse(refusal)
        else:
            self._refused_at = self._loop.time()
            self._wire.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._crowd.leave(self, self._client)
        if self._entered:  # else it was refused, and aiohttp never knew of it
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused_at is not None:
            return
        super().data_received(data)
        if not self._idle():
            self._head_since, self._head_bytes = None, 0
            return
        if self._head_since is None:
            self._head_since = self._loop.time()
        self._head_bytes += len(data)
        most = self._settings.max_head_bytes
        if self._head_bytes > most:
            self.close()
            self._refuse(
                spoken(
                    answer(
                        HeadTooLarge(
                            f"the head of the request is longer than {most} bytes (MAX_HEAD_BYTES)",
                            setting="MAX_HEAD_BYTES",
                            limit=most,
                        )
                    )
                )
            )

    def resume_writing(self) -> None:
        self._resumed = True
        super().resume_writing()

    def look(self, now: float) -> None:
        """Close it if the other side is too slow."""
        s = self._settings
        if self._refused_at is not None:
            if now - self._refused_at > _LAST_WORD:
                self._wire.abort()
            return
        since = self._head_since
        if since is not None and self._idle() and now - since > s.header_timeout:
            log.debug("closed_slow", what="head")
            self.force_close()
        left = self._wire.get_write_buffer_size()
        if not left:
            self._stall = None
        elif self._stall is None:
            self._stall, self._resumed = (now, left), False
        elif now - self._stall[0] > s.answer_stall:
            taken = self._stall[1] - left
            if self._resumed or taken >= s.answer_min_rate * s.answer_stall:
                self._stall, self._resumed = (now, left), False
            else:
                log.debug("closed_slow", what="answer")
                self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what no handler of ours caught, as all errors are answered."""
        if isinstance(exc, HttpProcessingError):
            log.debug("client_trouble", reason=type(exc).__name__)
        else:
            log.error("unexpected", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was begun: an error would become a part of it")
        return _Raw(spoken(answer(_error(exc, self._settings))))

    def _idle(self) -> bool:
        """Tell whether a head is waited for; aiohttp's own timer looks at the same future."""
        return self._waiter is not None and not self._waiter.done()

    def _refuse(self, refusal: bytes) -> None:
        """Answer and close; what still comes is dropped for a moment, else the answer is lost."""
        self._refused_at = self._loop.time()
        self._wire.write(refusal)
        self._wire.write_eof()


class _Raw(web.Response):
    """An answer to what is no request: written as it is, and the last one."""

    def __init__(self, written: bytes) -> None:
        super().__init__()
        self._written = written
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        if request.transport is not None:
            request.transport.write(self._written)

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def _error(exc: BaseException | None, s: Settings) -> AppError:
    if isinstance(exc, LineTooLong):
        return HeadTooLarge(
            f"the address or a header is longer than {s.max_line_bytes} (MAX_LINE_BYTES) or "
            f"{s.max_header_bytes} bytes (MAX_HEADER_BYTES)",
            setting="MAX_HEADER_BYTES",
            limit=s.max_header_bytes,
        )
    if isinstance(exc, BadHttpMessage) and exc.message.startswith("Too many headers"):
        return HeadTooLarge(
            f"the request has more than {s.max_headers} headers (MAX_HEADERS)",
            setting="MAX_HEADERS",
            limit=s.max_headers,
        )
    if isinstance(exc, HttpProcessingError):
        why = exc.message.split("\n")[0].rstrip(":.")[:80]
        return BadRequest(f"this is no good HTTP request: {why!a}")
    return Internal("something went wrong on our side")
