"""GET /static/<name>: scripts, styles and images of the pages, read at start, served by name."""

from __future__ import annotations

import hashlib
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


def _read_files() -> dict[str, tuple[bytes, str, str]]:
    folder = Path(__file__).parent / "static"
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in _TYPES:
            data = path.read_bytes()
            files[path.name] = data, _TYPES[path.suffix], hashlib.sha256(data).hexdigest()[:32]
    return files


_FILES = _read_files()


@unlisted("scripts and styles of the HTML pages")
async def serve(request: web.Request) -> web.StreamResponse:
    """GET /static/<name>; browsers revalidate it each time and get 304 while it is unchanged.

    Raises:
        NotFound: there is no file with this name.
    """
    try:
        data, media_type, tag = _FILES[request.match_info["name"]]
    except KeyError:
        raise NotFound("there is no file with this name") from None
    return etag_response(request, data, tag, media_type, "no-cache")
