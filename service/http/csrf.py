"""Which page made a request, and how it came: what browsers say of both."""

from __future__ import annotations

from aiohttp import web

from models.errors import Forbidden
from models.settings import Settings
from service.http.allowed_hosts import authority


def own(request: web.Request, settings: Settings, *, must: bool) -> None:
    """Return if a page of ours made the request.

    Browsers say where a request that changes something comes from, programs need not:
    ``must`` they, too?

    Raises:
        Forbidden: another site's page made it.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site == "same-origin":  # no script can say so
        return
    if site is not None:
        raise Forbidden("this was asked by a page of another site, and not done")
    if origin is not None:
        if authority(origin) not in {request.host.lower(), authority(settings.url)}:
            raise Forbidden(
                "this was asked by a page of another origin, and not done; behind a proxy "
                "pass the Host header on, or set PUBLIC_URL",
                setting="PUBLIC_URL",
            )
    elif must:
        raise Forbidden("send Origin or Sec-Fetch-Site with the cookie, or the token itself")


def not_strangers(request: web.Request, settings: Settings) -> None:
    """Return unless a page of a site that CORS_ORIGINS does not list made the request.

    A form or a script of any page makes a visitor's browser send pictures where only that browser
    comes: to this machine, or into an office. Programs send neither header. "null" is never our own
    page, see ``service.pages.render``.

    Raises:
        Forbidden: one did.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if origin in settings.origins or site in {"same-origin", "none"}:
        return
    ours = {request.host.lower(), authority(settings.url)}
    if site is None and (origin is None or authority(origin) in ours):
        return
    raise Forbidden(
        "this was asked by a page of another site, and not done; a site that may is listed in "
        "CORS_ORIGINS",
        setting="CORS_ORIGINS",
    )


def is_https(request: web.Request, settings: Settings) -> bool:
    """Tell whether the client came by https, as far as we and our proxies know."""
    said = request.headers.get("X-Forwarded-Proto", "") if settings.proxies else ""
    return request.secure or said.rpartition(",")[2].strip().lower() == "https"
