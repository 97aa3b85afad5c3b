"""GET /static/<name>: scripts, styles and images of the pages, read at start, served by name."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from models.errors import NotFound
from service.http.responses import etag_response
from service.openapi.endpoint import unlisted

_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


_FILES = {
    path.name: (path.read_bytes(), _TYPES[path.suffix])
    for path in (Path(__file__).parent / "static").iterdir()
    if path.suffix in _TYPES
}


@unlisted("scripts and styles of the HTML pages")
async def serve(request: web.Request) -> web.StreamResponse:
    """GET /static/<name>; browsers revalidate it each time and get 304 while it is unchanged.

    Raises:
        NotFound: there is no file with this name.
    """
    try:
        data, media_type = _FILES[request.match_info["name"]]
    except KeyError:
        raise NotFound("there is no file with this name") from None
    return etag_response(request, data, media_type, "no-cache")
