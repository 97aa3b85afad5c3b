"""What every request gets: an id, a line in the log, and one meaning."""

from __future__ import annotations

import logging
import re
import secrets
import time

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from service.app_keys import DRAINING
from service.http.errors import problem

log = structlog.get_logger()

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
REQUEST_ID = web.RequestKey("request_id", str)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bind the request's id to every log line and return it as ``X-Request-ID``.

    A client's own id is taken up if it is of letters, digits, ``-`` and ``_``.
    """
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    began = time.monotonic()
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        status = 499  # the client went away
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            # Probes and open dashboards ask all the time: their lines would drown the others.
            polled = request.path in _PROBES or (
                request.method == "GET"
                and status in {200, 304}
                and request.path.startswith("/dashboard/api/")
            )
            log.log(
                logging.DEBUG if polled else logging.INFO,
                "request",
                method=request.method,
                path=request.path[:200],
                status=status,
                ms=round((time.monotonic() - began) * 1000, 1),
            )


async def sign(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: the request's id; and goodbye while the service is stopped."""
    if REQUEST_ID in request:
        response.headers["X-Request-ID"] = request[REQUEST_ID]
    if request.app[DRAINING].is_set():  # the next request goes to whoever listens then
        response.headers["Connection"] = "close"
        response.force_close()


@web.middleware
async def unambiguous(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a proxy in front may read another way than we: requests are smuggled so.

    The parser has refused two lengths, a length beside chunks, bare line feeds and their like.
    """
    version, coding = request.version, request.headers.get("Transfer-Encoding")
    if version not in {HttpVersion10, HttpVersion11}:
        return _last(505, "speak HTTP/1.1, or 1.0")
    if coding is not None and (version == HttpVersion10 or coding.strip().lower() != "chunked"):
        return _last(400, "of all transfer codings only chunked is taken, and not by HTTP 1.0")
    return await handler(request)


def _last(status: int, detail: str) -> web.Response:
    refusal = problem(status, "bad_request", detail, headers={"Connection": "close"})
    refusal.force_close()
    return refusal


async def expect(request: web.Request) -> web.Response | None:
    """Handle ``Expect``: aiohttp's own handler answers others than 100-continue in bare text."""
    if request.headers["Expect"].lower() != "100-continue":
        return problem(417, "bad_request", "Expect takes 100-continue")
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


def quieten() -> None:
    """Take strangers' noise out of the log: to go away, or to send what is no HTTP, is no error."""
    logging.getLogger("aiohttp.server").addFilter(_calm)


def _calm(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, ConnectionError | HttpProcessingError | web.RequestPayloadError):
        log.debug("client_trouble", reason=type(error).__name__)
        return False
    return True
