"""What the pages are made of beside their HTML: read once, served by name, never from a path."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aiohttp import web

from models.errors import NotFound
from service.http.responses import tagged
from service.openapi.endpoint import unlisted

_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def _read() -> dict[str, tuple[bytes, str, str]]:
    folder = Path(__file__).parent / "static"
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            data = path.read_bytes()
            found[path.name] = data, _TYPES[path.suffix], hashlib.sha256(data).hexdigest()[:32]
    return found


_ASSETS = _read()


@unlisted("files of our own pages")
async def serve(request: web.Request) -> web.StreamResponse:
    """GET /static/<name>; asked again each time, and answered 304 while nothing changed.

    Raises:
        NotFound: there is no such file.
    """
    try:
        data, media_type, tag = _ASSETS[request.match_info["name"]]
    except KeyError:
        raise NotFound("there is no such file") from None
    return tagged(request, data, tag, media_type, "no-cache")
