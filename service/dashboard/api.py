"""The dashboard's JSON API: what is asked."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from aiohttp import web

from models.errors import BadParameter, NotFound
from models.operations import OPERATIONS
from models.store.board import Wanted
from models.task import Status
from service.dashboard.documents import detail, row
from service.dashboard.scene import SCENES
from service.keys import SETTINGS, STORE
from service.views import iso
from service.waiting import only

_MINUTES = 60  # of history, unless asked for more or less
_WORKER = 300  # characters of a worker's name
_NUMBER = re.compile(r"[0-9]{1,6}")


async def workers(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/workers."""
    only(request)
    found = await request.app[SCENES].workers()
    return _answer(request, {"workers": found})


async def queue(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/queue: how it is now, and what is wrong."""
    only(request)
    return _answer(request, await request.app[SCENES].now())


async def history(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/history?minutes=: queue length and throughput over time."""
    only(request, "minutes")
    settings = request.app[SETTINGS]
    minutes = _number(request, "minutes", _MINUTES, settings.history_kept_seconds // 60)
    history = request.app[STORE].history
    width, points = await history.series(minutes * 60, settings.history_seconds)
    document = {
        "minutes": minutes,
        "point_seconds": width,
        "points": [{**each, "at": iso(each["at"])} for each in points],
    }
    return _answer(request, document)


async def tasks(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/tasks: a page of tasks, newest first."""
    only(request, "status", "operation", "worker", "search", "after", "limit")
    settings = request.app[SETTINGS]
    wanted = _wanted(request, settings.max_name_length)
    most = max(settings.dashboard_page, settings.dashboard_page_most)
    limit = _number(request, "limit", settings.dashboard_page, most)
    page, cursor = await request.app[STORE].board.page(wanted, limit)
    return _answer(request, {"tasks": [row(task) for task in page], "next": cursor})


async def task(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/tasks/<id>: all that an operator may know of it."""
    only(request)
    found = await request.app[STORE].tasks.get(request.match_info["id"])
    if found is None:
        raise NotFound("there is no task of this id")
    return _answer(request, detail(found))


def _wanted(request: web.Request, longest: int) -> Wanted:
    query = {name: request.query.get(name, "") for name in ("status", "operation", "worker")}
    search = request.query.get("search", "").strip()
    statuses = [str(status) for status in Status]
    for name, known in (("status", statuses), ("operation", list(OPERATIONS))):
        if query[name] and query[name] not in known:
            raise BadParameter(
                f"{name}={query[name][:40]!a} is none; known: {', '.join(known)}",
                parameter=name,
                known=known,
            )
    for name, value, most in (("worker", query["worker"], _WORKER), ("search", search, longest)):
        if len(value) > most:
            raise BadParameter(
                f"{name} has {len(value)} characters; at most {most} are looked for",
                parameter=name,
                limit=most,
                measured=len(value),
            )
        if not value.isprintable():
            raise BadParameter(f"{name} has characters that no name has", parameter=name)
    return Wanted(
        status=Status(query["status"]) if query["status"] else None,
        operation=query["operation"],
        worker=query["worker"],
        search=search,
        after=request.query.get("after", ""),
    )


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    given = request.query.get(name)
    if given is None:
        return default
    if not _NUMBER.fullmatch(given) or not 1 <= int(given) <= most:
        raise BadParameter(f"{name}={given[:20]!a} is not 1 to {most}", parameter=name, limit=most)
    return int(given)


def _answer(request: web.Request, document: dict[str, Any]) -> web.Response:
    """Answer with the document, or with 304 to whoever has it already."""
    text = json.dumps(document) + "\n"
    tag = hashlib.sha256(text.encode()).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    if tag in {each.value for each in request.if_none_match or ()}:
        return web.Response(status=304, headers=headers)
    return web.Response(text=text, content_type="application/json", headers=headers)
