"""Headers with parameters, from strangers: their semicolons are counted before a parser looks.

The parser takes microseconds for each, and a form has as many such headers as it has parts. The
one behind aiohttp's ``request.content_type`` takes more than a second for 8 KB of them, or of
quotes, and is not used.
"""

from __future__ import annotations

from aiohttp import web
from python_multipart.multipart import parse_options_header

from models.errors import BadRequest

_SEMICOLONS = 8  # one or two are needed, and the name of a file may have some


def media_type(request: web.Request) -> str:
    """Return the media type of the body, whatever parameters it has."""
    given = request.headers.get("Content-Type", "application/octet-stream")
    return given.partition(";")[0].strip().lower()


def boundary_of(request: web.Request) -> bytes:
    """Return what stands between the parts of a form.

    Raises:
        BadRequest: the header does not say, or has more parameters than any needs.
    """
    # As bytes: a header may carry any, and a str of them cannot always be encoded again.
    given = request.headers["Content-Type"].encode("utf-8", "surrogateescape")
    boundary = parameters(given, "Content-Type").get(b"boundary", b"")
    if not boundary:
        raise BadRequest("the Content-Type multipart/form-data lacks its boundary")
    return boundary


def parameters(header: bytes, name: str) -> dict[bytes, bytes]:
    """Return the parameters of the header of that name.

    Raises:
        BadRequest: it has more of them than any needs.
    """
    count = header.count(b";")
    if count > _SEMICOLONS:
        raise BadRequest(
            f"a header {name} has {count} semicolons; at most {_SEMICOLONS} are taken",
            limit=_SEMICOLONS,
            measured=count,
        )
    return parse_options_header(header)[1]
