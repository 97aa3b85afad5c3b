"""CSRF protection by the Origin and Sec-Fetch-Site headers of browsers."""

from __future__ import annotations

from aiohttp import web

from models.errors import Forbidden
from models.settings.http import HttpSettings
from service.http.request_checks import authority


def require_same_origin(
    request: web.Request, settings: HttpSettings, *, require_headers: bool
) -> None:
    """Return if a page of this service made the request.

    Browsers send Origin or Sec-Fetch-Site with unsafe methods, other programs may omit both:
    ``require_headers`` refuses those.

    Raises:
        Forbidden: a page of another site made it.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site == "same-origin":  # scripts cannot set this header
        return
    if site is not None:
        raise Forbidden("cross-site request blocked")
    if origin is not None:
        if authority(origin) not in {request.host.lower(), authority(settings.base_url)}:
            raise Forbidden(
                "cross-origin request blocked; behind a proxy, forward the Host header or set "
                "PUBLIC_URL",
                setting="PUBLIC_URL",
            )
    elif require_headers:
        raise Forbidden("send Origin or Sec-Fetch-Site with the cookie, or the token itself")


def reject_cross_site(request: web.Request, settings: HttpSettings) -> None:
    """Return unless a page of a site outside CORS_ORIGINS made the request.

    A form or script on any page can make a browser send images to hosts that only this browser
    reaches: localhost or an intranet. Other programs send neither header. The origin "null" is
    never a page of this service, see ``service.pages.render``.

    Raises:
        Forbidden: cross-site request.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if origin in settings.allowed_origins or site in {"same-origin", "none"}:
        return
    ours = {request.host.lower(), authority(settings.base_url)}
    if site is None and (origin is None or authority(origin) in ours):
        return
    raise Forbidden(
        "cross-site request blocked; CORS_ORIGINS lists the allowed origins",
        setting="CORS_ORIGINS",
    )


def is_https(request: web.Request, settings: HttpSettings) -> bool:
    """Tell whether the client used HTTPS, directly or according to a trusted proxy."""
    scheme = request.headers.get("X-Forwarded-Proto", "") if settings.proxies else ""
    return request.secure or scheme.rpartition(",")[2].strip().lower() == "https"
