"""GET /openapi.json: the whole API for programs; GET /docs: the same for people."""

from __future__ import annotations

from aiohttp import web

from models.image import MEDIA_TYPES
from models.operations import OPERATIONS
from models.operations.help import listed, rows
from service.handlers.operations import document
from service.keys import CATALOGUE, OPENAPI, SETTINGS
from service.openapi.call import JSON, Answer, call, unlisted
from service.openapi.headers import Conditional
from service.page import page

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
    headers = {"ETag": f'"{served.tag}"', "Cache-Control": "public, max-age=60"}
    if {"*", served.tag} & {each.value for each in request.if_none_match or ()}:
        return web.Response(status=304, headers=headers)
    return web.Response(body=served.body, content_type=JSON, charset="utf-8", headers=headers)


@unlisted("a page for people")
async def show(request: web.Request) -> web.StreamResponse:
    catalogue = request.app[CATALOGUE]
    operations = [
        {**document(spec, catalogue), "rows": rows(spec), "listed": listed(spec)}
        for spec in OPERATIONS.values()
    ]
    url = request.app[SETTINGS].url
    return page("docs.html", operations=operations, formats=list(MEDIA_TYPES), url=url)
