"""Requests that are refused before their handler: smuggled, for another host, or our own webhooks.

DNS rebinding: evil.example comes to resolve to 127.0.0.1, so that for the browser its page has the
same origin as this service. Its requests still say ``Host: evil.example``.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.typedefs import Handler
from yarl import URL

from models.errors import BadRequest, Forbidden, MisdirectedRequest
from models.loopback import is_loopback
from models.settings import Settings
from service.app_keys import SETTINGS
from service.http.errors import problem_response

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/@:?#\[\]]+)(?::[0-9]{1,5})?")
# Probes use an IP address; the responses hold no client data.
_PROBE_PATHS = frozenset({"/healthz", "/readyz"})


@web.middleware
async def request_checks_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: refuse what a proxy may parse differently, other hosts, and webhooks.

    Against request smuggling the parser already refuses two lengths, a length with chunked coding,
    bare line feeds etc.

    Raises:
        MisdirectedRequest: the host is not allowed, see ALLOWED_HOSTS.
        BadRequest: the request URL and the Host header name different hosts.
        Forbidden: the request is a webhook of a Darkroom: to our own /retry or PUT it would loop.
    """
    version, coding = request.version, request.headers.get("Transfer-Encoding")
    if version not in {HttpVersion10, HttpVersion11}:
        return _final_response(505, "unsupported HTTP version; use HTTP/1.1 or 1.0")
    if coding is not None and (version == HttpVersion10 or coding.strip().lower() != "chunked"):
        return _final_response(
            400, "unsupported Transfer-Encoding; only chunked is accepted, and not in HTTP 1.0"
        )
    absolute = authority(request.raw_path)
    if absolute != "-" and absolute != request.headers.get("Host", "").lower():
        raise BadRequest("the request URL and the Host header name different hosts")
    host = request_hostname(request)
    if request.path not in _PROBE_PATHS and not is_allowed_host(host, request.app[SETTINGS]):
        raise MisdirectedRequest(
            f"the host {host[:80]!a} is not allowed; add it to ALLOWED_HOSTS, or set PUBLIC_URL",
            setting="ALLOWED_HOSTS",
            measured=host[:80],
        )
    # Whatever host name the URL uses. A delivery of a result has an id and no signature.
    if "webhook-signature" in request.headers or "webhook-id" in request.headers:
        raise Forbidden("webhook refused: this service does not receive webhooks")
    return await handler(request)


def _final_response(status: int, detail: str) -> web.Response:
    refusal = problem_response(status, "bad_request", detail, headers={"Connection": "close"})
    refusal.force_close()
    return refusal


async def handle_expect(request: web.Request) -> web.Response | None:
    """Handle the Expect header; aiohttp's handler would send errors as plain text."""
    if request.headers["Expect"].lower() != "100-continue":
        return problem_response(417, "bad_request", "Expect must be 100-continue")
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


def is_allowed_host(host: str, settings: Settings) -> bool:
    """Tell whether requests for ``host`` (without port; "" without Host header) are accepted."""
    if is_loopback(host) or host in settings.http.allowed_host_names | {_public_host(settings)} - {
        ""
    }:
        return True
    if settings.http.allowed_host_names:
        return False
    if not is_loopback(settings.http.host) or (
        settings.http.proxies and not _public_host(settings)
    ):
        return True
    try:  # an IP address cannot be rebound
        return not host or bool(ip_address(host))
    except ValueError:
        return False


def request_hostname(request: web.Request) -> str:
    """Return the Host header in lower case without port; "" if it is missing, "-" if malformed."""
    given = request.headers.get("Host", "").lower()
    if not given:
        return ""
    found = _HOST.fullmatch(given)
    return found.group(1).strip("[]") if found else "-"


def authority(origin: str) -> str:
    """Return host:port of an origin as in a Host header; "-" if it is not an http(s) origin."""
    try:
        url = URL(origin)
        if not url.host or url.scheme not in {"http", "https"}:
            return "-"
        host = f"[{url.host}]" if ":" in url.host else url.host.lower()
        return host if url.is_default_port() else f"{host}:{url.port}"
    except ValueError:
        return "-"


def _public_host(settings: Settings) -> str:
    try:
        return (URL(settings.http.public_url).host or "").lower()
    except ValueError:
        return ""
