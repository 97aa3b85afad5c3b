"""GET /processed/<name>: a result with ETag, Range and caching headers; DELETE."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

import structlog
from aiohttp import web

from models.auth.visibility import View
from models.errors import (
    BadParameter,
    NotFound,
    NotReady,
    PreconditionFailed,
    RangeNotSatisfiable,
    ResultGone,
    WrongStatus,
)
from models.images.inspect import MEDIA_TYPES
from models.tasks.filenames import sanitize
from models.tasks.serializers import result_url
from models.tasks.task import Result, Status
from service.app_keys import SETTINGS, STORE, TOKENS
from service.auth.identity import identity
from service.http.responses import (
    check_preconditions,
    etag_matches,
    is_not_modified,
    stream_response,
)
from service.openapi.endpoint import ResponseSpec, endpoint, parameter
from service.openapi.error_groups import LINK_ERRORS, STORE_ERRORS
from service.query import flag
from service.recent_results import MAX_RESULT_BYTES, RECENT_RESULTS, find_kept_result
from service.results import (
    OWNER,
    SIGNATURE,
    check_finished,
    requested_owner,
)

log = structlog.get_logger()

_EMPTY_RANGE = re.compile(r"bytes=-0+")  # the last 0 bytes; aiohttp reads it as all
_IMMUTABLE = "public, max-age=31536000, immutable"
_VARY = "Authorization, X-API-Key, Cookie"

_HEADERS = ("ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Disposition")


DOWNLOAD = {"download": parameter("1: browsers save it as a file.", enum=["0", "1"])}


@endpoint(
    "Results",
    "Download a result",
    query=OWNER | DOWNLOAD | SIGNATURE,
    any_query=True,
    headers=(
        *("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"),
        *("Range", "If-Range"),
    ),
    responses={
        200: ResponseSpec("The whole file.", media=tuple(MEDIA_TYPES.values()), headers=_HEADERS),
        206: ResponseSpec(
            "The requested range.",
            media=tuple(MEDIA_TYPES.values()),
            headers=(*_HEADERS, "Content-Range"),
        ),
        304: ResponseSpec(
            "Unchanged: If-None-Match has its ETag, or it is not newer than If-Modified-Since.",
            headers=_HEADERS,
        ),
    },
    errors=(
        NotFound,
        NotReady,
        ResultGone,
        PreconditionFailed,
        RangeNotSatisfiable,
        BadParameter,
        *LINK_ERRORS,
        *STORE_ERRORS,
    ),
    examples=("curl -OJ {url}/processed/NAME",),
)
async def serve(request: web.Request) -> web.StreamResponse:
    """GET /processed/<name>: the bytes of a result, by its own name or by the upload's name.

    A result's name always means the same bytes; an upload's name means its newest result.
    """
    task, name, result, exact, kept = await find_kept_result(request)
    # finished_at is always set once a task has succeeded.
    made = (task.finished_at or datetime.now(UTC)).astimezone(UTC)
    check_preconditions(request, result.sha256, made)
    kind = "attachment" if flag(request.query, "download") else "inline"
    headers = {
        "ETag": f'"{result.sha256}"',
        "Last-Modified": format_datetime(made, usegmt=True),
        "Cache-Control": _cache_control(request, exact),
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(kind, name),
    }
    # With keys the same name means another result to another key.
    if request.app[SETTINGS].api_keys_enabled:
        headers["Vary"] = _VARY
    if is_not_modified(request, result.sha256, made):
        return web.Response(status=304, headers=headers)
    start, stop, partial = _range(request, result)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{result.bytes}"
    headers["Content-Type"] = MEDIA_TYPES[result.format]
    status = 206 if partial else 200
    if kept is not None:
        return web.Response(status=status, headers=headers, body=kept[start:stop])
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = stop - start
    data = request.app[STORE].results.read(result.file_id, start, stop)
    if exact and not task.owner and not partial and result.bytes <= MAX_RESULT_BYTES:
        data = request.app[RECENT_RESULTS].keep(name, task, result, data)
    return await stream_response(request, response, data, name)


@endpoint(
    "Results",
    "Delete a result",
    description="By its own name only. The bytes are deleted with the last name of the result.",
    query=OWNER,
    headers=("If-Match",),
    responses={204: ResponseSpec("The name is deleted.")},
    errors=(NotFound, WrongStatus, PreconditionFailed, BadParameter, *STORE_ERRORS),
    examples=("curl -X DELETE {url}/processed/NAME",),
)
async def delete(request: web.Request) -> web.StreamResponse:
    """DELETE /processed/<name>: delete a name; the bytes go with the last name of their result.

    The name of an upload is refused, since it means different results over time.
    ``If-Match``: only if the result has this ETag.
    """
    store, name, owner = request.app[STORE], request.match_info["name"], requested_owner(request)
    reserved = await store.result_names.find(name, owner)
    task = await store.tasks.get(reserved[0], View(owner)) if reserved else None
    if reserved is None or task is None:
        raise await _no_such_result(request, name)
    structlog.contextvars.bind_contextvars(task_id=task.id)
    if not task.ended:
        raise WrongStatus(
            f"{name} is not finished: its task is {task.status}; cancel it first: "
            f"DELETE /tasks/{task.id}",
            task_id=task.id,
            measured=task.status,
            allowed=[Status.SUCCESS],
        )
    check_finished(task, name)
    part, sha256 = reserved[1], task.results[reserved[1]].sha256
    if any(each.name == name for each in task.deleted):
        raise NotFound("there is no result with this name; it was deleted", task_id=task.id)
    if_match = request.if_match
    if if_match is not None and (
        task.removal(name, part) or not etag_matches(if_match, sha256, strong=True)
    ):
        raise PreconditionFailed(
            "If-Match does not match the result's ETag; nothing was deleted",
            measured=f'"{sha256}"',
        )
    after = await store.retention.delete_name(task.id, name, part, sha256 if if_match else None)
    if after is None:  # deleted by a concurrent request, or the task restarted
        raise NotFound("there is no result with this name any more", task_id=task.id)
    request.app[RECENT_RESULTS].forget(name)
    log.info("result_deleted", name=name, freed=after.results[part].gone is not None)
    return web.Response(status=204)


async def _no_such_result(request: web.Request, name: str) -> NotFound:
    """Return the error for an unknown name; for an upload's name it lists its results."""
    uploaded = sanitize(name)
    owner = requested_owner(request)
    task = await request.app[STORE].tasks.newest_of_upload(uploaded, View(owner))
    names = [each for each, _ in task.available_results(task.upload(uploaded))] if task else []
    if not names:
        return NotFound("there is no result with this name")
    urls = [result_url(each, owner, identity(request).view) for each in names]
    return NotFound(
        f"{uploaded} is the name of an upload; delete its newest result by its own name: "
        f"DELETE {urls[0]}",
        results=urls,
    )


def _cache_control(request: web.Request, exact: bool) -> str:
    """Return the Cache-Control header of a result; ``exact``: requested by its own name."""
    caller = identity(request)
    if caller.means == "link":
        left = max(0, int(request.query["expires"]) - int(request.app[TOKENS].clock()))
        return f"private, max-age={left}"
    if caller.key is not None:  # revalidated each time: the key may be revoked
        return "private, no-cache"
    return _IMMUTABLE if exact else "no-cache"


def _disposition(kind: str, name: str) -> str:
    """Return a Content-Disposition (RFC 6266); ``name`` is sanitized already."""
    plain = "".join(c if c.isascii() else "_" for c in name)
    extended = "" if name.isascii() else f"; filename*=UTF-8''{quote(name)}"
    return f'{kind}; filename="{plain}"{extended}'


def _range(request: web.Request, result: Result) -> tuple[int, int, bool]:
    """Return (first byte, byte after the last, whether the request has a range).

    Several ranges or a malformed one give the whole file, as RFC 9110 (14.2) allows.

    Raises:
        RangeNotSatisfiable: it begins after the end.
    """
    size = result.bytes
    if_range = request.headers.get("If-Range")
    if if_range is not None and if_range != f'"{result.sha256}"':
        return 0, size, False
    try:
        given = request.http_range
    except ValueError:
        return 0, size, False
    if given.start is None and given.stop is None:
        return 0, size, False
    if _EMPTY_RANGE.fullmatch(request.headers.get("Range", "")):
        given = slice(size, None)
    start, stop, _ = given.indices(size)
    if start >= stop:
        raise RangeNotSatisfiable(
            f"the result has {size} bytes; the range begins after its end", measured=size
        )
    return start, stop, True
