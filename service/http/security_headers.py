"""Security headers: CSP, HSTS, nosniff, Referrer-Policy, X-Frame-Options, CORP, COOP."""

from __future__ import annotations

from aiohttp import web

from service.app_keys import SETTINGS

# CSP of everything but HTML pages: an image that is also a script never runs, not even when a
# browser opens it directly.
_STRICT_CSP = "default-src 'none'; frame-ancestors 'none'; sandbox"
_HTML_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), usb=()",
}
_RESULTS_PATH = "/processed/"


async def set_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: set the headers that the handler has not set."""
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Content-Security-Policy", _STRICT_CSP)
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("X-Frame-Options", "DENY")
    # Pages of other sites may embed result images with <img>. CORP does not affect the rest:
    # pages of this service, programs and the origins in CORS_ORIGINS.
    embedded = request.path.startswith(_RESULTS_PATH)
    headers.setdefault(
        "Cross-Origin-Resource-Policy", "cross-origin" if embedded else "same-origin"
    )
    if response.content_type == "text/html":
        for name, value in _HTML_HEADERS.items():
            headers.setdefault(name, value)
    settings = request.app[SETTINGS]
    if settings.http.hsts_seconds and settings.http.public_url.lower().startswith("https://"):
        headers.setdefault("Strict-Transport-Security", f"max-age={settings.http.hsts_seconds}")
    headers.pop("Server", None)
