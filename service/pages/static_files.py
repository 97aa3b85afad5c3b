"""GET /static/<name>: scripts, styles and images of the pages, read at start, served by name."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from aiohttp import web

from models.errors import NotFound
from service.http.responses import etag_response
from service.openapi.endpoint import unlisted
from service.pages.catalogue import CATALOGUES

_TYPES = {
    ".avif": "image/avif",
    ".css": "text/css",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


_FILES = {
    path.name: (path.read_bytes(), _TYPES[path.suffix])
    for path in (Path(__file__).parent / "static").iterdir()
    if path.suffix in _TYPES
} | {each.script_name: (each.script(), _TYPES[".js"]) for each in CATALOGUES.values()}

_COMPRESSED = {
    name: gzip.compress(data, mtime=0)  # the same bytes, and so the same ETag, at each start
    for name, (data, media_type) in _FILES.items()
    if media_type not in {"image/avif", "image/jpeg", "image/png"}
}


_IMPORT = re.compile(rb'^import .* from "\./([\w-]+\.js)";$', re.MULTILINE)


def imported_by(*names: str) -> list[str]:
    """Return the modules that those of ``names`` import, and what these import, without them."""
    found = dict.fromkeys(names)
    waiting = [*names]
    while waiting:
        imports = (each.decode() for each in _IMPORT.findall(_FILES[waiting.pop()][0]))
        new = [name for name in imports if name not in found]
        found |= dict.fromkeys(new)
        waiting += new
    return [*found][len(names) :]


def _accepts_gzip(request: web.Request) -> bool:
    """Return whether Accept-Encoding names gzip, and not with a weight of 0 (RFC 9110, 12.5.3)."""
    codings = request.headers.get("Accept-Encoding", "").lower().split(",")
    for name, _, weight in (coding.partition(";") for coding in codings):
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


@unlisted("scripts and styles of the HTML pages")
async def serve(request: web.Request) -> web.StreamResponse:
    """GET /static/<name>; browsers revalidate it each time and get 304 while it is unchanged.

    Raises:
        NotFound: there is no file with this name.
    """
    name = request.match_info["name"]
    try:
        data, media_type = _FILES[name]
    except KeyError:
        raise NotFound("there is no file with this name") from None
    if name not in _COMPRESSED:
        return etag_response(request, data, media_type, "no-cache")
    zipped = _accepts_gzip(request)
    body = _COMPRESSED[name] if zipped else data
    response = etag_response(request, body, media_type, "no-cache")
    response.headers["Vary"] = "Accept-Encoding"
    if zipped and response.status == 200:
        response.headers["Content-Encoding"] = "gzip"
    return response
