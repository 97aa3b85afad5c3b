"""GET /openapi.json and GET /docs: the API document as JSON and as a page."""

from __future__ import annotations

from aiohttp import web

from models.error_members import meaning
from service.app_keys import SETTINGS
from service.http.errors import STATUS
from service.http.responses import etag_response
from service.openapi import docs_page
from service.openapi.document import OPENAPI
from service.openapi.endpoint import JSON, ResponseSpec, endpoint, unlisted
from service.openapi.limits import upload_limits
from service.openapi.problem_schema import error_codes
from service.pages.render import layout_page

_HEADERS = ("ETag", "Cache-Control")


@endpoint(
    "Service",
    "This document",
    any_query=True,
    headers=("If-None-Match",),
    responses={
        200: ResponseSpec("OpenAPI 3.1.", dict[str, object], headers=_HEADERS),
        304: ResponseSpec("If-None-Match has it.", headers=_HEADERS),
    },
    examples=("curl {url}/openapi.json",),
)
async def openapi(request: web.Request) -> web.StreamResponse:
    """GET /openapi.json; the same until the service starts with other code or settings."""
    # A minute: after a new version clients may still have the last one for as long.
    return etag_response(request, request.app[OPENAPI].body, JSON, "public, max-age=60")


@unlisted("an HTML page")
async def show(request: web.Request) -> web.StreamResponse:
    """GET /docs: the API reference, made from the OpenAPI document."""
    document, settings = request.app[OPENAPI].document, request.app[SETTINGS]
    return layout_page(
        "docs.html",
        "/docs",
        docs=docs_page,
        document=document,
        url=settings.base_url,
        errors=error_codes(),
        statuses=STATUS,
        meaning=meaning,
        limits=upload_limits(settings),
    )
