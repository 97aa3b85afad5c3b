"""Request context: X-Request-ID, the client's IP address, and the access log."""

from __future__ import annotations

import logging
import re
import secrets
import time

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from service.app_keys import DRAINING, SETTINGS
from service.http.client_ip import CLIENT_IP, client_ip

log = structlog.get_logger()

_PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
REQUEST_ID = web.RequestKey("request_id", str)
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")


@web.middleware
async def request_context_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: bind the request ID to all log lines, find the client's IP address, log access.

    A client's X-Request-ID is kept if it has 1 to 64 letters, digits, ``-`` and ``_``.
    """
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID_PATTERN.fullmatch(given) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    request[CLIENT_IP] = client_ip(request, request.app[SETTINGS].proxies)
    began = time.monotonic()
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        status = 499  # client disconnected
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            # Probes and open dashboards poll all the time and would flood the log.
            polled = request.path in _PROBE_PATHS or (
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


async def set_request_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: set X-Request-ID; close connections while draining."""
    if REQUEST_ID in request:
        response.headers["X-Request-ID"] = request[REQUEST_ID]
    if request.app[DRAINING].is_set():  # the next request reaches the next process
        response.headers["Connection"] = "close"
        response.force_close()


def filter_client_errors() -> None:
    """Log client disconnects and malformed HTTP at debug level, not as errors of aiohttp."""
    logging.getLogger("aiohttp.server").addFilter(_is_server_error)


def _is_server_error(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, ConnectionError | HttpProcessingError | web.RequestPayloadError):
        log.debug("client_error", reason=type(error).__name__)
        return False
    return True
