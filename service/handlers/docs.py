"""GET /openapi.json: the whole API for programs; GET /docs: the same for people."""

from __future__ import annotations

from aiohttp import web

from service.app_keys import OPENAPI, SETTINGS
from service.http.responses import tagged
from service.openapi.docs_page import bodies, parts
from service.openapi.endpoint import JSON, Answer, call, unlisted
from service.openapi.headers import Conditional
from service.openapi.limits import limits
from service.openapi.problem_schema import listed
from service.pages.render import live_page

_HEADERS = ("ETag", "Cache-Control")


@call(
    "Service",
    "This document",
    headers=Conditional,
    answers={
        200: Answer("OpenAPI 3.1.", dict[str, object], headers=_HEADERS),
        304: Answer("If-None-Match has it.", headers=_HEADERS),
    },
    examples=("curl {url}/openapi.json",),
)
async def openapi(request: web.Request) -> web.StreamResponse:
    """GET /openapi.json; the same until the service starts with other code or settings."""
    served = request.app[OPENAPI]
    # A minute: after a new version clients may still have the last one for as long.
    return tagged(request, served.body, served.tag, JSON, "public, max-age=60")


@unlisted("a page for people")
async def show(request: web.Request) -> web.StreamResponse:
    """GET /docs: made of the document that programs read."""
    document, settings = request.app[OPENAPI].document, request.app[SETTINGS]
    return live_page(
        "docs.html",
        "/docs",
        version=document["info"]["version"],
        openapi=document["openapi"],
        url=settings.url,
        parts=parts(document),
        bodies=bodies(document),
        errors=listed(),
        limits=limits(settings),
    )
