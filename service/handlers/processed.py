"""/processed/<name>: the bytes of a result, with all that a cache or a player asks for; DELETE."""

from __future__ import annotations

import re
import time
from typing import Annotated, Literal
from urllib.parse import quote

import structlog
from aiohttp import web
from pydantic import Field

from models.auth.visibility import View
from models.errors import (
    BadParameter,
    Changed,
    NotFound,
    NotReady,
    RangeNotSatisfiable,
    ResultGone,
    WrongStatus,
)
from models.images.inspect import MEDIA_TYPES
from models.tasks.filenames import safe
from models.tasks.serializers import result_url
from models.tasks.task import Result, Status
from service.app_keys import CACHE, SETTINGS, STORE
from service.auth.identity import caller
from service.http.query import only
from service.http.responses import matches
from service.http.streaming import stream
from service.named import Owned, Signed, check_finished, find, whose
from service.openapi.endpoint import Answer, call
from service.openapi.error_groups import LINKED, STORED
from service.openapi.headers import IfMatch, Ranged
from service.results import result_bytes

log = structlog.get_logger()

_NO_BYTES = re.compile(r"bytes=-0+")  # "the last none": which aiohttp reads as all
_IMMUTABLE = "public, max-age=31536000, immutable"
_KEYS = "Authorization, X-API-Key, Cookie"

_HEADERS = ("ETag", "Cache-Control", "Accept-Ranges", "Content-Disposition")


class Saved(Owned, total=False):
    """The query of a result."""

    download: Annotated[Literal["0", "1"], Field(description="1: browsers save it.")]


class _Shown(Saved, Signed, total=False):
    """The same, and what a signed link has besides."""


@call(
    "Results",
    "The bytes of a result",
    query=_Shown,
    headers=Ranged,
    answers={
        200: Answer("All of them.", media=tuple(MEDIA_TYPES.values()), headers=_HEADERS),
        206: Answer(
            "The range asked for.",
            media=tuple(MEDIA_TYPES.values()),
            headers=(*_HEADERS, "Content-Range"),
        ),
        304: Answer("If-None-Match has it.", headers=_HEADERS),
    },
    errors=(
        NotFound,
        NotReady,
        ResultGone,
        RangeNotSatisfiable,
        BadParameter,
        *LINKED,
        *STORED,
    ),
    examples=("curl -OJ {url}/processed/NAME",),
)
async def serve(request: web.Request) -> web.StreamResponse:
    """Answer with a result's bytes, by its own name or by the name of the upload.

    A result's name always means the same bytes; an upload's name means its newest result.
    """
    task, name, result, exact = await find(request)
    kind = "attachment" if download(request) else "inline"
    headers = {
        "ETag": f'"{result.sha256}"',
        "Cache-Control": _kept(request, exact),
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(kind, name),
    }
    if request.app[SETTINGS].keys_on:  # the same name means another's picture to another key
        headers["Vary"] = _KEYS
    if matches(request.if_none_match, result.sha256):
        return web.Response(status=304, headers=headers)
    start, stop, partial = _range(request, result)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{result.bytes}"
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    response.content_type = MEDIA_TYPES[result.format]
    response.content_length = stop - start
    return await stream(
        request, response, result_bytes(request.app, task, result, start, stop), name
    )


@call(
    "Results",
    "Delete a result",
    description="By its own name only. The bytes go with the last name of the result.",
    query=Owned,
    headers=IfMatch,
    answers={204: Answer("The name is gone.")},
    errors=(NotFound, WrongStatus, Changed, BadParameter, *STORED),
    examples=("curl -X DELETE {url}/processed/NAME",),
)
async def delete(request: web.Request) -> web.StreamResponse:
    """DELETE /processed/<name>: 204; the bytes go with the last name of their result.

    Only a result's own name is deleted, not the one of an upload, which means now this result, now
    that. ``If-Match``: only if the result is still that one.

    Raises:
        NotFound: there is no result of this name. WrongStatus: it is still being made.
        Changed: If-Match names another result.
    """
    only(request, "owner")
    store, name, owner = request.app[STORE], request.match_info["name"], whose(request)
    held = await store.names.find(name, owner)
    task = await store.tasks.get(held[0], View(owner)) if held else None
    if held is None or task is None:
        raise await _not_own(request, name)
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
    part, sha256 = held[1], task.results[held[1]].sha256
    if any(each.name == name for each in task.deleted):
        raise NotFound("there is no result of this name; it was deleted", task_id=task.id)
    asked = request.if_match
    if asked is not None and (task.gone(name, part) or not matches(asked, sha256)):
        raise Changed(
            "the result is not the one that If-Match names; nothing was deleted",
            measured=f'"{sha256}"',
        )
    after = await store.retention.forget(task.id, name, part, sha256 if asked else None)
    if after is None:  # another was faster, or it begins anew
        raise NotFound("there is no result of this name any more", task_id=task.id)
    if after.results[part].gone:
        await request.app[CACHE].drop(sha256, owner)
    log.info("deleted", name=name, freed=after.results[part].gone is not None)
    return web.Response(status=204)


async def _not_own(request: web.Request, name: str) -> NotFound:
    """Return the refusal of a name that no result has; helpful where it is an upload's."""
    uploaded = safe(name, request.app[SETTINGS].max_name_length)
    owner = whose(request)
    task = await request.app[STORE].tasks.newest(uploaded, View(owner))
    names = [each for each, _ in task.served(task.upload(uploaded))] if task else []
    if not names:
        return NotFound("there is no result of this name")
    urls = [result_url(each, owner, caller(request).view) for each in names]
    return NotFound(
        f"{uploaded} is the name of an upload, which stands for its newest result; delete that by "
        f"its own name: DELETE {urls[0]}",
        results=urls,
    )


def download(request: web.Request) -> bool:
    """Tell whether browsers are to save what is asked for.

    Raises:
        BadParameter: the query says neither.
    """
    asked = request.query.get("download", "0")
    if asked not in {"0", "1"}:
        raise BadParameter("download takes 0 or 1", parameter="download", known=["0", "1"])
    return asked == "1"


def _kept(request: web.Request, exact: bool) -> str:
    """Return how long a result may be kept, and by whom."""
    who = caller(request)
    if who.means == "link":
        left = max(0, int(request.query["expires"]) - int(time.time()))
        return f"private, max-age={left}"
    if who.key is not None:  # asked each time: the key may be void by then
        return "private, no-cache"
    return _IMMUTABLE if exact else "no-cache"


def _disposition(kind: str, name: str) -> str:
    """Return a Content-Disposition (RFC 6266) for a name that ``models.tasks.filenames`` made safe."""
    plain = "".join(c if c.isascii() else "_" for c in name)
    extended = "" if name.isascii() else f"; filename*=UTF-8''{quote(name)}"
    return f'{kind}; filename="{plain}"{extended}'


def _range(request: web.Request, result: Result) -> tuple[int, int, bool]:
    """Return (first byte, byte after the last, whether a part was asked for).

    One range is served; several, or a malformed one, are answered whole as RFC 9110 (14.2) allows.

    Raises:
        RangeNotSatisfiable: it begins behind the end.
    """
    size = result.bytes
    if_range = request.headers.get("If-Range")
    if if_range is not None and if_range != f'"{result.sha256}"':
        return 0, size, False
    try:
        asked = request.http_range
    except ValueError:
        return 0, size, False
    if asked.start is None and asked.stop is None:
        return 0, size, False
    if _NO_BYTES.fullmatch(request.headers.get("Range", "")):
        asked = slice(size, None)
    start = asked.start or 0
    if start < 0:
        start = max(0, size + start)
    stop = min(asked.stop if asked.stop is not None else size, size)
    if start >= stop:
        raise RangeNotSatisfiable(
            f"the result has {size} bytes; the range asked for has none of them", measured=size
        )
    return start, stop, True
