"""Headers that tell browsers what not to do with an answer."""

from __future__ import annotations

from aiohttp import web

from models.settings import Settings
from service.app_keys import SETTINGS

# What is no page of ours is no page: a picture that is a script as well never runs, not even where
# a browser opens it by itself.
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'; sandbox"
_PAGES_ONLY = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
}
_RESULTS = "/processed/"


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: an answer says more only where its handler did."""
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Content-Security-Policy", _NO_PAGE)
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Frame-Options", "DENY")
    # Pictures are made to be shown, also by pages of other sites, as <img> does. All else is read
    # by our own pages, by programs, and by whom CORS_ORIGINS lists, which this does not concern.
    embedded = request.path.startswith(_RESULTS)
    headers.setdefault(
        "Cross-Origin-Resource-Policy", "cross-origin" if embedded else "same-origin"
    )
    if response.content_type == "text/html":
        for name, value in _PAGES_ONLY.items():
            headers.setdefault(name, value)
    age = _https_only(request.app[SETTINGS])
    if age:
        headers.setdefault("Strict-Transport-Security", f"max-age={age}")
    headers.pop("Server", None)


def _https_only(settings: Settings) -> int:
    return settings.hsts_seconds if settings.public_url.lower().startswith("https://") else 0
