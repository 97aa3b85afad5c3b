"""Who may use the dashboard without API keys: requests from this machine."""

from __future__ import annotations

from aiohttp import web

from models.errors import Forbidden
from models.loopback import is_loopback
from models.settings import Settings
from service.http.request_checks import request_hostname

_PROXY_HEADERS = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Forwarded-Server",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
)


def require_loopback(request: web.Request, settings: Settings) -> None:
    """Return if the request came from this machine and names a loopback host.

    The name matters because of DNS rebinding: with a foreign name that resolves to 127.0.0.1,
    another site's page could read the dashboard.

    Raises:
        Forbidden: it did not.
    """
    reasons = {
        f"HOST={settings.http.host} is not loopback": not is_loopback(settings.http.host),
        f"PROXIES={settings.http.proxies}": settings.http.proxies > 0,
        "the request came through a proxy": any(h in request.headers for h in _PROXY_HEADERS),
        "the request came from another machine": not is_loopback(request.remote or ""),
        "the request names a host other than localhost": not is_loopback(request_hostname(request)),
    }
    for reason, applies in reasons.items():
        if applies:
            raise Forbidden(
                "without API keys the dashboard is open to this machine only, and "
                f"{reason}: set API_KEYS=on and create a key (`python -m service keys create NAME "
                "--scopes admin`), or open http://localhost on the machine itself",
                setting="API_KEYS",
            )
