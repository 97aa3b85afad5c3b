"""The dashboard's JSON API: what is asked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from models.errors import BadParameter, NotFound
from models.operations import OPERATIONS
from models.outbox.item import Mailing
from models.store.tasks.search import Wanted
from models.tasks.task import Status
from service.app_keys import SETTINGS, STORE
from service.dashboard.endpoint import operator
from service.dashboard.overview import SCENES
from service.dashboard.result_links import linking
from service.dashboard.schemas import (
    DetailBody,
    HistoryBody,
    QueueBody,
    RowsBody,
    WebhooksBody,
    WorkersBody,
)
from service.dashboard.serializers import detail, row, webhook
from service.http.query import only
from service.http.responses import tagged
from service.openapi.endpoint import JSON

_MINUTES = 60  # of history, unless asked for more or less
_WORKER = 300  # characters of a worker's name
_NUMBER = re.compile(r"[0-9]{1,6}")


class _Minutes(TypedDict, total=False):
    minutes: Annotated[int, Field(ge=1, description="How far back; an hour unless given.")]


class _Filter(TypedDict, total=False):
    status: Annotated[
        str,
        Field(
            description="Only tasks of this status.",
            json_schema_extra={"enum": [str(each) for each in Status]},
        ),
    ]
    operation: Annotated[
        str,
        Field(
            description="Only tasks with this operation.",
            json_schema_extra={"enum": list(OPERATIONS)},
        ),
    ]
    worker: Annotated[str, Field(description="Only tasks that this worker claimed last.")]
    search: Annotated[str, Field(description="The beginning of an id or of a picture's name.")]
    after: Annotated[str, Field(description="What the page before said as its next.")]
    limit: Annotated[int, Field(ge=1, description="How many; see DASHBOARD_PAGE_MOST.")]


class _Webhooks(TypedDict, total=False):
    status: Annotated[
        str,
        Field(
            description="Only those of this status; WAITING: what they are about has not ended.",
            json_schema_extra={"enum": [str(each) for each in Mailing]},
        ),
    ]
    limit: Annotated[int, Field(ge=1, description="How many; see DASHBOARD_PAGE_MOST.")]


@operator("The workers", WorkersBody, examples=("curl '{url}/dashboard/api/workers'",))
async def workers(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/workers."""
    only(request)
    found = await request.app[SCENES].workers()
    return _answer(request, {"workers": found})


@operator("How it is now", QueueBody, examples=("curl '{url}/dashboard/api/queue'",))
async def queue(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/queue: how it is now, and what is wrong."""
    only(request)
    return _answer(request, await request.app[SCENES].now())


@operator(
    "Queue and throughput over time",
    HistoryBody,
    query=_Minutes,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/history?minutes=5'",),
)
async def history(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/history?minutes=: queue length and throughput over time."""
    only(request, "minutes")
    settings = request.app[SETTINGS]
    minutes = _number(request, "minutes", _MINUTES, settings.history_kept_seconds // 60)
    return _answer(request, await request.app[SCENES].history(minutes))


@operator(
    "Tasks",
    RowsBody,
    query=_Filter,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/tasks?status=SUCCESS&limit=5'",),
)
async def tasks(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/tasks: a page of tasks, newest first."""
    only(request, "status", "operation", "worker", "search", "after", "limit")
    settings = request.app[SETTINGS]
    wanted = _wanted(request, settings.max_name_length)
    most = max(settings.dashboard_page, settings.dashboard_page_most)
    limit = _number(request, "limit", settings.dashboard_page, most)
    page, cursor = await request.app[STORE].board.page(wanted, limit)
    return _answer(request, {"tasks": [row(task) for task in page], "next": cursor})


@operator(
    "One task",
    DetailBody,
    errors=(NotFound, BadParameter),
    examples=("curl '{url}/dashboard/api/tasks/TASK_ID'",),
)
async def task(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/tasks/<id>: all that an operator may know of it."""
    only(request)
    found = await request.app[STORE].tasks.get(request.match_info["id"])
    if found is None:
        raise NotFound("there is no task of this id")
    events = await request.app[STORE].events.of_task(found.id)
    return _answer(request, detail(found, events, await linking(request, found)))


@operator(
    "Webhooks",
    WebhooksBody,
    query=_Webhooks,
    errors=(BadParameter,),
    description="The newest, of all tasks and groups.",
    examples=("curl '{url}/dashboard/api/webhooks?status=FAILED'",),
)
async def webhooks(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/webhooks: the newest events for callback_urls."""
    only(request, "status", "limit")
    settings = request.app[SETTINGS]
    given, known = request.query.get("status", ""), [str(status) for status in Mailing]
    if given and given not in known:
        raise BadParameter(
            f"status={given[:40]!a} is none; known: {', '.join(known)}",
            parameter="status",
            known=known,
        )
    most = max(settings.dashboard_page, settings.dashboard_page_most)
    limit = _number(request, "limit", settings.dashboard_page, most)
    status = Mailing(given) if given else None
    found = await request.app[STORE].events.newest(status, limit)
    return _answer(request, {"webhooks": [webhook(event) for event in found]})


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


def _answer(request: web.Request, document: Mapping[str, object]) -> web.Response:
    """Answer with the document, or with 304 to whoever has it already."""
    body = (json.dumps(document) + "\n").encode()
    return tagged(request, body, hashlib.sha256(body).hexdigest()[:32], JSON, "private, no-cache")
