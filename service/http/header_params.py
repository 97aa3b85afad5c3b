"""Safe parsing of Content-Type and Content-Disposition parameters: semicolons are limited first.

The parser takes microseconds per parameter, and a form has such headers in each part. The parser
behind aiohttp's ``request.content_type`` takes more than a second for 8 KB of parameters or quotes
and is not used.
"""

from __future__ import annotations

from aiohttp import web
from python_multipart.multipart import parse_options_header

from models.errors import BadRequest

_MAX_SEMICOLONS = 8  # one or two are needed; a file name may contain some


def media_type(request: web.Request) -> str:
    """Return the media type of the body, whatever parameters it has."""
    given = request.headers.get("Content-Type", "application/octet-stream")
    return given.partition(";")[0].strip().lower()


def multipart_boundary(request: web.Request) -> bytes:
    """Return the boundary of a multipart form.

    Raises:
        BadRequest: the boundary is missing, or the header has too many parameters.
    """
    # As bytes: a header may hold any, and surrogates cannot be encoded strictly.
    given = request.headers["Content-Type"].encode("utf-8", "surrogateescape")
    boundary = header_parameters(given, "Content-Type").get(b"boundary", b"")
    if not boundary:
        raise BadRequest("Content-Type multipart/form-data lacks the boundary")
    return boundary


def header_parameters(header: bytes, name: str) -> dict[bytes, bytes]:
    """Return the parameters of the header of that name.

    Raises:
        BadRequest: the header has too many parameters.
    """
    count = header.count(b";")
    if count > _MAX_SEMICOLONS:
        raise BadRequest(
            f"header {name} has {count} semicolons; at most {_MAX_SEMICOLONS} are allowed",
            limit=_MAX_SEMICOLONS,
            measured=count,
        )
    return parse_options_header(header)[1]
