"""JSON request bodies: limited in size, depth and time, validated by pydantic."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from models.errors import BadParameter, BadRequest, TooLarge
from models.settings import Settings
from service.http.upload_rate import MinimumRate

M = TypeVar("M", bound=BaseModel)

_MAX_VALIDATION_ERRORS = 20  # above this, only the count is reported: pydantic formats all or none


async def read_body(request: web.Request, settings: Settings) -> bytes:
    """Return the body.

    Raises:
        TooLarge: it is longer than MAX_JSON_BYTES.
        UploadTooSlow: it arrives more slowly than UPLOAD_MIN_RATE.
        BadRequest: it is compressed or ends early.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("send the body without Content-Encoding")
    limit = settings.max_json_bytes
    if (request.content_length or 0) > limit:
        raise body_too_large(limit, request.content_length or 0)
    rate, body = MinimumRate(settings), bytearray()
    try:
        while data := await rate.read(request.content.readany()):
            body += data
            rate.received_bytes = len(body)
            if len(body) > limit:
                raise body_too_large(limit, len(body))
    except (web.RequestPayloadError, ConnectionError):
        raise BadRequest("request body ended early") from None
    return bytes(body)


async def read_json(request: web.Request, settings: Settings) -> Any:
    """Return the parsed JSON body.

    Raises:
        BadRequest: invalid JSON. TooLarge, UploadTooSlow: see ``read_body``.
    """
    return parse_json(await read_body(request, settings))


def parse_json(body: bytes) -> Any:
    """Return ``body`` parsed as JSON.

    Raises:
        BadRequest: invalid JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not valid JSON") from None


def body_too_large(limit: int, measured: int) -> TooLarge:
    return TooLarge(
        f"the body has at least {measured} bytes; at most {limit} are accepted (MAX_JSON_BYTES)",
        setting="MAX_JSON_BYTES",
        limit=limit,
        measured=measured,
    )


def validate(model: type[M], document: Any, example: str) -> M:
    """Return ``document`` as an instance of ``model``.

    Raises:
        BadRequest: validation failed; names the first error and shows ``example``.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        if error.error_count() > _MAX_VALIDATION_ERRORS:
            raise BadRequest(
                f"the body has {error.error_count()} validation errors; send {example}"
            ) from None
        first = error.errors(include_url=False)[0]
        where = ascii(".".join(str(part) for part in first["loc"])[:80])[1:-1]
        raise BadRequest(f"{where or 'the body'}: {first['msg']}; send {example}") from None


def unknown_field(name: str, known: tuple[str, ...]) -> BadParameter:
    """Return the error for an unknown field."""
    return BadParameter(
        f"unknown field {name[:40]!a}; known: {', '.join(known)}",
        parameter=ascii(name[:40])[1:-1],
        known=list(known),
    )


def check_count(count: int, limit: int, items: str, setting: str) -> None:
    """Return if ``count`` is at most ``limit``; ``items``: their name in the error.

    Raises:
        BadParameter: too many.
    """
    if count > limit:
        raise BadParameter(
            f"{count} {items}; at most {limit} are allowed ({setting})",
            setting=setting,
            limit=limit,
            measured=count,
        )
