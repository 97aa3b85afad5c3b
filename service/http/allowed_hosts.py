"""Host header check against DNS rebinding.

DNS rebinding: evil.example comes to resolve to 127.0.0.1, so that for the browser its page has the
same origin as this service. Its requests still say ``Host: evil.example``.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from models.errors import BadRequest, MisdirectedRequest
from models.loopback import is_loopback
from models.settings import Settings
from service.app_keys import SETTINGS

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/@:?#\[\]]+)(?::[0-9]{1,5})?")
# Probes use an IP address; the responses hold no client data.
_PROBE_PATHS = frozenset({"/healthz", "/readyz"})


@web.middleware
async def allowed_hosts_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: refuse requests whose Host header names another host.

    Raises:
        MisdirectedRequest: the host is not allowed, see ALLOWED_HOSTS.
        BadRequest: the request URL and the Host header name different hosts.
    """
    settings = request.app[SETTINGS]
    absolute = authority(request.raw_path)
    if absolute != "-" and absolute != request.headers.get("Host", "").lower():
        raise BadRequest("the request URL and the Host header name different hosts")
    if request.path not in _PROBE_PATHS and not is_allowed_host(
        request_hostname(request), settings
    ):
        raise MisdirectedRequest(
            f"the host {request_hostname(request)[:80]!a} is not allowed; "
            "add it to ALLOWED_HOSTS, or set PUBLIC_URL",
            setting="ALLOWED_HOSTS",
            measured=request_hostname(request)[:80],
        )
    return await handler(request)


def is_allowed_host(host: str, settings: Settings) -> bool:
    """Tell whether requests for ``host`` (without port; "" without Host header) are accepted."""
    if is_loopback(host) or host in settings.allowed_host_names | {_public_host(settings)} - {""}:
        return True
    if settings.allowed_host_names:
        return False
    if not is_loopback(settings.host) or (settings.proxies and not _public_host(settings)):
        return True
    return not host or is_ip_address(host)  # an IP address cannot be rebound


def is_ip_address(host: str) -> bool:
    """Tell whether ``host`` is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
        return (URL(settings.public_url).host or "").lower()
    except ValueError:
        return ""
