"""Bodies that are small documents, from strangers: bounded in length, depth and time."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from models.errors import BadParameter, BadRequest, TooLarge
from models.settings import Settings
from service.http.upload_rate import Pace

M = TypeVar("M", bound=BaseModel)

_MISTAKES = 20  # that are looked into: pydantic writes them all down or none


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


def validated(model: type[M], document: Any, example: str) -> M:
    """Return ``document`` as the model has it.

    Raises:
        BadRequest: it is none; says where, and shows ``example``.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        if error.error_count() > _MISTAKES:
            raise BadRequest(f"it has {error.error_count()} mistakes; send {example}") from None
        first = error.errors(include_url=False)[0]
        where = ascii(".".join(str(part) for part in first["loc"])[:80])[1:-1]
        raise BadRequest(f"{where or 'the body'}: {first['msg']}; send {example}") from None


def unknown(name: str, known: tuple[str, ...]) -> BadParameter:
    """Return the refusal of a field that means nothing here."""
    return BadParameter(
        f"unknown field {name[:40]!a}; known: {', '.join(known)}",
        parameter=ascii(name[:40])[1:-1],
        known=list(known),
    )


def at_most(count: int, limit: int, what: str, setting: str) -> None:
    """Return if there are no more than may be.

    Raises:
        BadParameter: there are.
    """
    if count > limit:
        raise BadParameter(
            f"{count} {what}; at most {limit} are allowed ({setting})",
            setting=setting,
            limit=limit,
            measured=count,
        )
