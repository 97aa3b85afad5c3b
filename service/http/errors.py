"""The one place that turns errors into HTTP: RFC 9457, application/problem+json."""

from __future__ import annotations

import errno
import json
import os
import secrets
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from models import errors
from models.errors import AppError

log = structlog.get_logger()

STATUS: dict[type[AppError], int] = {
    errors.BadRequest: 400,
    errors.BadParameter: 422,
    errors.BadCallback: 422,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.LinkExpired: 403,
    errors.NotFound: 404,
    errors.NotReady: 404,
    errors.MethodNotAllowed: 405,
    errors.TooSlow: 408,
    errors.WrongStatus: 409,
    errors.Cancelled: 409,
    errors.OriginalGone: 409,
    errors.ResultGone: 410,
    errors.Changed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedFormat: 415,
    errors.RangeNotSatisfiable: 416,
    errors.Misdirected: 421,
    errors.BadImage: 422,
    errors.TooManyPixels: 422,
    errors.TooMuchMemory: 422,
    errors.RateLimited: 429,
    errors.QueueFull: 429,
    errors.TooManyStreams: 429,
    errors.HeadTooLarge: 431,
    errors.TooManyConnections: 503,
    errors.NotFinished: 503,
    errors.NotWritten: 500,
    errors.NoRoom: 503,
    errors.StoreUnavailable: 503,
    errors.BadOutput: 500,
    errors.TaskTimeout: 500,
    errors.WorkerCrashed: 500,
    errors.WeightsMissing: 500,
    errors.WeightsUnusable: 500,
    errors.Internal: 500,
}
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
RETRY_AFTER = 2  # seconds; a store that restarts is back in less


def problem(
    status: int,
    code: str,
    detail: str,
    facts: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Return an RFC 9457 answer; ``error`` repeats ``detail`` for plain clients.

    Caches may keep 404, 405 and 410 unless told not to, and give one client's to another.
    """
    body = {
        **(facts or {}),
        "type": f"urn:darkroom:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "error": detail,
    }
    return web.Response(
        status=status,
        text=json.dumps(body) + "\n",
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def answer(error: AppError) -> web.Response:
    """Return the answer for one of our own errors."""
    status = STATUS.get(type(error), 500)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        headers["Retry-After"] = str(error.facts.get("retry_after", RETRY_AFTER))
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.facts['measured']}"
    if status in {408, 413} or isinstance(
        error, errors.NoRoom
    ):  # the rest of the body is not read, so the connection cannot go on
        headers["Connection"] = "close"
    return problem(status, error.code, error.detail, error.facts, headers)


def spoken(response: web.Response) -> bytes:
    """Return ``response`` as it is written where there is no request to answer; the last word."""
    body = response.body if isinstance(response.body, bytes) else b""
    headers = {
        **response.headers,
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@web.middleware
async def translate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem document; never a traceback."""
    try:
        return await handler(request)
    except AppError as error:
        log.info("refused", **error.document())
        return answer(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _routing(request, error)
    except ConnectionError:  # the client went away: aiohttp closes, nobody is left to answer
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            log.error("no_room", reason=repr(error))
            return answer(
                errors.NoRoom(
                    f"this machine lacks room: {os.strerror(error.errno or 0)}; nothing was "
                    "accepted, try again shortly"
                )
            )
        incident = secrets.token_hex(8)
        log.exception("unexpected", incident=incident)
        return problem(
            500,
            errors.Internal.code,
            f"something went wrong on our side; the log has it as {incident}",
            {"incident": incident},
        )


def _routing(request: web.Request, error: web.HTTPException) -> web.Response:
    """Translate what aiohttp itself refuses: unknown routes, methods, malformed requests."""
    if error.status == 404:
        return problem(404, "not_found", "there is nothing at this path")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        refusal = answer(
            errors.MethodNotAllowed(f"this path takes {', '.join(allowed)}", allowed=allowed)
        )
        refusal.headers["Allow"] = ", ".join(allowed)
        return refusal
    return problem(error.status, "bad_request", error.reason)
