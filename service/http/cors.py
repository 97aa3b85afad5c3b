"""Pages of other sites that may call the API: those that CORS_ORIGINS lists, without cookies.

``aiohttp-cors`` was tried: it hangs on routes, so that 404, 405 and refusals of middlewares say
nothing a page may read, adds a route of its own to each, and forgets ``Vary: Origin``.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from service.app_keys import SETTINGS
from service.http.errors import problem

_METHODS = "GET, HEAD, POST, DELETE"
_HEADERS = (
    "Accept, Authorization, Content-Type, If-Match, If-None-Match, If-Range, Last-Event-ID, "
    "Prefer, Range, X-API-Key, X-Request-ID"
)
_EXPOSED = (
    "Accept-Ranges, Allow, Content-Disposition, Content-Location, Content-Range, ETag, Location, "
    "RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Darkroom-Skipped-Images, "
    "X-Darkroom-Skipped-Operations, X-Request-ID"
)
_AGE = 600  # seconds a browser remembers the answer to its question; most take no more
_OPERATORS = "/dashboard"


@web.middleware
async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a browser that asks what a page may send; all else goes on."""
    asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not asked or not request.app[SETTINGS].origins:
        return await handler(request)
    if not _granted(request):
        return problem(
            403,
            "forbidden",
            "pages of this origin may not call this; see CORS_ORIGINS",
            {"setting": "CORS_ORIGINS"},
        )
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": str(_AGE),
        },
    )


async def allow(request: web.Request, response: web.StreamResponse) -> None:
    """Signal on_response_prepare: say that the page may read the answer, also that of a refusal."""
    if not request.app[SETTINGS].origins or _theirs(request):
        return
    # Else a cache would give the answer made for one site, or for none, to another.
    known = response.headers.get("Vary")
    response.headers["Vary"] = f"{known}, Origin" if known else "Origin"
    if _granted(request):
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED


def _granted(request: web.Request) -> bool:
    listed = request.app[SETTINGS].origins
    return request.headers.get("Origin") in listed and not _theirs(request)


def _theirs(request: web.Request) -> bool:
    """Tell whether it is the operators' dashboard, which no other site ever reads."""
    return request.path == _OPERATORS or request.path.startswith(f"{_OPERATORS}/")
