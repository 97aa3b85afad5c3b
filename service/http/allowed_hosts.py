"""Whom a request is for: a name that leads here without being ours lets a stranger's page read us.

That is DNS rebinding: a page of evil.example whose name comes to mean 127.0.0.1 is, for its
browser, of the same origin as we. Its requests say ``Host: evil.example``.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from models.errors import BadRequest, Misdirected
from models.loopback import is_loopback
from models.settings import Settings
from service.app_keys import SETTINGS

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/@:?#\[\]]+)(?::[0-9]{1,5})?")
_PROBES = frozenset({"/healthz", "/readyz"})  # asked by address, and they tell nothing of anybody


@web.middleware
async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is meant for another host.

    Raises:
        Misdirected: see ALLOWED_HOSTS. BadRequest: the address and the Host header disagree.
    """
    settings = request.app[SETTINGS]
    absolute = authority(request.raw_path)
    if absolute != "-" and absolute != request.headers.get("Host", "").lower():
        raise BadRequest("the address of the request and its Host header name two hosts")
    if request.path not in _PROBES and not is_ours(hostname(request), settings):
        raise Misdirected(
            f"this service does not answer to the name {hostname(request)[:80]!a}; "
            "if it is its name, add it to ALLOWED_HOSTS, or set PUBLIC_URL",
            setting="ALLOWED_HOSTS",
            measured=hostname(request)[:80],
        )
    return await handler(request)


def is_ours(host: str, settings: Settings) -> bool:
    """Tell whether a request for ``host`` (no port; empty: it named none) is for this service."""
    if is_loopback(host) or host in settings.hosts | {_public(settings)} - {""}:
        return True
    if settings.hosts:
        return False
    if not is_loopback(settings.host) or (settings.proxies and not _public(settings)):
        return True
    return not host or is_address(host)  # an address is nobody's name, and browsers send one


def is_address(host: str) -> bool:
    """Tell whether ``host`` is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def hostname(request: web.Request) -> str:
    """Return the Host header without its port, lower case; "" if there is none, "-" if it is no
    host at all, which is nobody's name.
    """
    given = request.headers.get("Host", "").lower()
    if not given:
        return ""
    found = _HOST.fullmatch(given)
    return found.group(1).strip("[]") if found else "-"


def authority(origin: str) -> str:
    """Return host:port of an origin as a Host header has it; "-" if it is none, which none is."""
    try:
        url = URL(origin)
        if not url.host or url.scheme not in {"http", "https"}:
            return "-"
        host = f"[{url.host}]" if ":" in url.host else url.host.lower()
        return host if url.is_default_port() else f"{host}:{url.port}"
    except ValueError:
        return "-"


def _public(settings: Settings) -> str:
    try:
        return (URL(settings.public_url).host or "").lower()
    except ValueError:
        return ""
