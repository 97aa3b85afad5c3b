"""Request context: X-Request-ID, the client's IP address (PROXIES), access log and metrics."""

from __future__ import annotations

import logging
import re
import secrets
import time
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from models.metrics.definitions import REQUEST_DURATION, REQUESTS_IN_PROGRESS
from service.app_keys import DRAINING, INSTRUMENTS, SETTINGS, TOKENS
from service.http.request_counts import REQUEST_COUNTS

log = structlog.get_logger()

_PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_UNKNOWN = "unknown"  # not a route: the path is client input and must not become a label
_IPV6_PREFIX_BITS = 64  # one household or server owns a whole /64
_MAX_CACHED_ADDRESSES = 4096
REQUEST_ID = web.RequestKey("request_id", str)
CLIENT_IP = web.RequestKey("client_ip", str)
"""The client's IP address, which the middleware finds once."""
_REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")


@web.middleware
async def request_context_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: bind the request ID to all log lines, log and count the request.

    The line has the pseudonym of the client's address, which is that of its tasks unless it has a
    key; the ids of key and task are bound by those who find them. A client's X-Request-ID is kept
    if it has 1 to 64 letters, digits, ``-`` and ``_``. The metrics have the method, the route
    template and the status.
    """
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID_PATTERN.fullmatch(given) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    request[CLIENT_IP] = client_ip(request, request.app[SETTINGS].http.proxies)
    instruments, resource = request.app[INSTRUMENTS], request.match_info.route.resource
    route = resource.canonical if resource else _UNKNOWN
    began = time.perf_counter()
    with (
        structlog.contextvars.bound_contextvars(request_id=request_id),
        instruments.gauges[REQUESTS_IN_PROGRESS].track_inprogress(),
    ):
        status, sent = 499, 0  # client disconnected
        try:
            response = await handler(request)
            status = response.status
            sent = 0 if request.method == "HEAD" else _length(response)
            return response
        except web.HTTPException as redirect:
            status = redirect.status
            raise
        finally:
            spent = time.perf_counter() - began
            instruments.observe(REQUEST_DURATION, spent, request.method, route, str(status))
            request.app[REQUEST_COUNTS].ended(request, spent)
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
                ms=round(spent * 1000, 1),
                client=_pseudonym(request),
                bytes_in=request.content.total_bytes,
                bytes_out=sent,
            )


def _pseudonym(request: web.Request) -> str:
    """Return the pseudonym of the client's address: no address is logged."""
    tokens = request.app.get(TOKENS)
    return tokens.pseudonym(request[CLIENT_IP]) if tokens else ""


def _length(response: web.StreamResponse) -> int:
    """Return the length of the body in bytes: of a stream what was sent, else what will be."""
    return response.body_length or response.content_length or 0


def client_ip(request: web.Request, proxies: int) -> str:
    """Return the client's IP address; IPv6 as its /64 network.

    ``proxies``: number of reverse proxies in front. Each appends its peer to X-Forwarded-For; the
    entries further left come from the client and are ignored.
    """
    given = request.remote or ""
    if proxies:
        line = ",".join(request.headers.getall("X-Forwarded-For", []))
        hops = [hop.strip() for hop in line.split(",") if hop.strip()]
        given = hops[-proxies] if len(hops) >= proxies else given
    return client_network(given)


@lru_cache(maxsize=_MAX_CACHED_ADDRESSES)  # each request of a client asks for the same
def client_network(given: str) -> str:
    """Return the address that limits count: IPv6 as its /64 network; "unknown" if invalid."""
    try:
        address = ip_address(given.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, _IPV6_PREFIX_BITS), strict=False))
    return str(address)


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
