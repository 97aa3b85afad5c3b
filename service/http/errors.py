"""Error responses: AppError to RFC 9457 application/problem+json."""

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
from service.http.request_counts import REQUEST_COUNTS

log = structlog.get_logger()

STATUS: dict[type[AppError], int] = {
    errors.BadRequest: 400,
    errors.BadParameter: 422,
    errors.BadCallbackUrl: 422,
    errors.BadImageUrl: 422,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.LinkExpired: 403,
    errors.NotFound: 404,
    errors.NotReady: 404,
    errors.MethodNotAllowed: 405,
    errors.UploadTooSlow: 408,
    errors.WrongStatus: 409,
    errors.TaskCancelled: 409,
    errors.OriginalGone: 409,
    errors.ResultGone: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedFormat: 415,
    errors.RangeNotSatisfiable: 416,
    errors.MisdirectedRequest: 421,
    errors.BadImage: 422,
    errors.TooManyPixels: 422,
    errors.TooMuchMemory: 422,
    errors.TooMuchWork: 422,
    errors.RateLimited: 429,
    errors.QueueFull: 429,
    errors.TooManyStreams: 429,
    errors.RequestHeadTooLarge: 431,
    errors.TooManyConnections: 503,
    errors.WaitTimedOut: 503,
    errors.ResultNotWritten: 500,
    errors.InsufficientResources: 503,
    errors.StoreUnavailable: 503,
    errors.BadOutput: 500,
    errors.TaskTimeout: 500,
    errors.WorkerCrashed: 500,
    errors.WeightsMissing: 500,
    errors.WeightsUnusable: 500,
    errors.NoCapableWorker: 500,
    errors.InternalError: 500,
}
_NO_SPACE_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
RETRY_AFTER_SECONDS = 2  # a restarting store needs less


def problem_response(
    status: int,
    code: str,
    detail: str,
    facts: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Return an RFC 9457 response, its members in the order in which a person reads them.

    ``no-store``: caches may otherwise keep 404, 405 and 410 and give them to other clients.
    """
    standard = {
        "type": f"urn:darkroom:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    body = {**standard, **(facts or {}), **standard}  # facts come after them, and change none
    return web.Response(
        status=status,
        text=json.dumps(body) + "\n",
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_response(error: AppError) -> web.Response:
    """Return the response for an ``AppError``."""
    status = STATUS.get(type(error), 500)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        headers["Retry-After"] = str(error.facts.get("retry_after", RETRY_AFTER_SECONDS))
    if isinstance(error, errors.RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.facts['measured']}"
    if status in {408, 413} or isinstance(
        error, errors.InsufficientResources
    ):  # the rest of the body is not read, so the connection cannot go on
        headers["Connection"] = "close"
    return problem_response(status, error.code, error.detail, error.facts, headers)


def raw_error_response(error: AppError) -> bytes:
    """Return the response as raw HTTP/1.1 for a connection without request; it closes."""
    response = error_response(error)
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
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Middleware: turn every exception of a handler into problem+json, never a traceback."""
    try:
        return await handler(request)
    except AppError as error:
        log.info("refused", **error.document())
        return _counted(request, error_response(error), error.code)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _counted(request, *_routing_error(request, error))
    except ConnectionError:  # the client disconnected: aiohttp closes
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_SPACE_ERRNOS:
            log.error("out_of_space", reason=repr(error))
            no_room = errors.InsufficientResources(
                f"the server is out of space: {os.strerror(error.errno or 0)}; nothing was "
                "accepted, retry shortly"
            )
            return _counted(request, error_response(no_room), no_room.code)
        incident = secrets.token_hex(8)
        log.exception("unexpected_error", incident=incident)
        response = problem_response(
            500,
            errors.InternalError.code,
            f"internal server error; logged as incident {incident}",
            {"incident": incident},
        )
        return _counted(request, response, errors.InternalError.code)


def _counted(request: web.Request, response: web.Response, code: str) -> web.Response:
    request.app[REQUEST_COUNTS].refused(code)
    return response


def _routing_error(request: web.Request, error: web.HTTPException) -> tuple[web.Response, str]:
    """Convert errors of aiohttp itself: unknown route, method not allowed, bad request."""
    if error.status == 404:
        return problem_response(404, "not_found", "no such path"), "not_found"
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        refusal = error_response(
            errors.MethodNotAllowed(f"allowed methods: {', '.join(allowed)}", allowed=allowed)
        )
        refusal.headers["Allow"] = ", ".join(allowed)
        return refusal, errors.MethodNotAllowed.code
    return problem_response(error.status, "bad_request", error.reason), "bad_request"
