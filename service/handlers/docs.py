"""GET /docs: what can be done and how, as the registry has it, for people."""

from __future__ import annotations

from aiohttp import web

from models.image import MEDIA_TYPES
from models.operations import OPERATIONS
from models.operations.help import listed, rows
from service.handlers.operations import document
from service.keys import CATALOGUE, SETTINGS
from service.page import page


async def show(request: web.Request) -> web.StreamResponse:
    catalogue = request.app[CATALOGUE]
    operations = [
        {**document(spec, catalogue), "rows": rows(spec), "listed": listed(spec)}
        for spec in OPERATIONS.values()
    ]
    url = request.app[SETTINGS].url
    return page("docs.html", operations=operations, formats=list(MEDIA_TYPES), url=url)
