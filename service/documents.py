"""Bodies that are small documents, from strangers: bounded in length, depth and time."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from models.errors import BadRequest, TooLarge
from models.settings import Settings
from service.pace import Pace


async def read_body(request: web.Request, settings: Settings) -> bytes:
    """Return the body.

    Raises:
        TooLarge: it is longer than MAX_JSON_BYTES.
        TooSlow: it does not keep up the pace of an upload.
        BadRequest: it is compressed, or ended early.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the body without Content-Encoding")
    limit = settings.max_json_bytes
    if (request.content_length or 0) > limit:
        raise too_long(limit, request.content_length or 0)
    pace, body = Pace(settings), bytearray()
    try:
        while data := await pace.hold(request.content.readany()):
            body += data
            pace.received = len(body)
            if len(body) > limit:
                raise too_long(limit, len(body))
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("the body of the request ended early") from None
    return bytes(body)


async def read_json(request: web.Request, settings: Settings) -> Any:
    """Return the JSON document that the body is.

    Raises:
        BadRequest: it is none. TooLarge, TooSlow: see ``read_body``.
    """
    return to_json(await read_body(request, settings))


def to_json(body: bytes) -> Any:
    """Return the JSON document that ``body`` is.

    Raises:
        BadRequest: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON document") from None


def too_long(limit: int, measured: int) -> TooLarge:
    return TooLarge(
        f"the body has {measured} bytes or more; at most {limit} are accepted (MAX_JSON_BYTES)",
        setting="MAX_JSON_BYTES",
        limit=limit,
        measured=measured,
    )
