"""CORS for the origins in CORS_ORIGINS, without credentials.

``aiohttp-cors`` was tried: it works per route, so that 404, 405 and middleware errors lack CORS
headers; it adds a route to each route and omits ``Vary: Origin``.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import Forbidden
from service.app_keys import SETTINGS

_METHODS = "GET, HEAD, POST, PUT, DELETE"
_HEADERS = (
    "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Range, "
    "If-Unmodified-Since, Last-Event-ID, Prefer, Range, X-API-Key, X-Request-ID"
)
_EXPOSED = (
    "Accept-Ranges, Allow, Content-Disposition, Content-Location, Content-Range, ETag, "
    "Last-Modified, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "X-Darkroom-Skipped-Images, X-Darkroom-Skipped-Operations, X-Request-ID"
)
_MAX_AGE_SECONDS = 600  # browsers cache a preflight; most cap it at this
_DASHBOARD_PATH = "/dashboard"


@web.middleware
async def cors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: answer CORS preflight requests; pass on all others."""
    is_preflight = (
        request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    )
    if not is_preflight or not request.app[SETTINGS].http.allowed_origins:
        return await handler(request)
    if not _is_allowed_origin(request):
        raise Forbidden("this origin is not allowed; see CORS_ORIGINS", setting="CORS_ORIGINS")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": str(_MAX_AGE_SECONDS),
        },
    )


async def set_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: let the page read the response, errors included."""
    if not request.app[SETTINGS].http.allowed_origins or _is_dashboard(request):
        return
    # Without it, a cache could give the response for one origin to another.
    vary = response.headers.get("Vary")
    response.headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
    if _is_allowed_origin(request):
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def _is_allowed_origin(request: web.Request) -> bool:
    listed = request.app[SETTINGS].http.allowed_origins
    return request.headers.get("Origin") in listed and not _is_dashboard(request)


def _is_dashboard(request: web.Request) -> bool:
    """Tell whether the path is the dashboard, which no other origin may read."""
    return request.path == _DASHBOARD_PATH or request.path.startswith(f"{_DASHBOARD_PATH}/")
