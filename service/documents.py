"""Bodies that are small documents, from strangers: bounded in length, depth and time."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from models.errors import BadRequest, TooLarge
from models.settings import Settings
from service.pace import Pace


async def read_body(
    request: web.Request, settings: Settings, setting: str = "max_json_bytes"
) -> bytes:
    """Return the body; ``setting`` names its longest length in bytes.

    Raises:
        TooLarge: it is longer.
        TooSlow: it does not keep up the pace of an upload.
        BadRequest: it is compressed, or ended early.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the body without Content-Encoding")
    limit: int = getattr(settings, setting)
    if (request.content_length or 0) > limit:
        raise _too_long(setting.upper(), limit, request.content_length or 0)
    pace, body = Pace(settings), bytearray()
    try:
        while data := await pace.hold(request.content.readany()):
            body += data
            pace.received = len(body)
            if len(body) > limit:
                raise _too_long(setting.upper(), limit, len(body))
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("the body of the request ended early") from None
    return bytes(body)


async def read_json(request: web.Request, settings: Settings) -> Any:
    """Return the JSON document that the body is.

    Raises:
        BadRequest: it is none. TooLarge, TooSlow: see ``read_body``.
    """
    body = await read_body(request, settings)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is no JSON document") from None


def _too_long(setting: str, limit: int, measured: int) -> TooLarge:
    return TooLarge(
        f"the body has {measured} bytes or more; at most {limit} are accepted ({setting})",
        setting=setting,
        limit=limit,
        measured=measured,
    )
