"""JSON API of the dashboard: workers, queue, history, tasks and webhooks."""

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
from models.outbox.item import DeliveryStatus
from models.store.tasks import queue_history
from models.store.tasks.search import TaskFilter
from models.tasks.filenames import MAX_CHARACTERS
from models.tasks.task import Status
from service.app_keys import STORE
from service.dashboard.endpoint import dashboard_endpoint
from service.dashboard.overview import OVERVIEW
from service.dashboard.result_links import result_link_signer
from service.dashboard.schemas import (
    HistoryBody,
    QueueBody,
    TaskDetailBody,
    TaskPageBody,
    WebhooksBody,
    WorkersBody,
)
from service.dashboard.serializers import task_detail, task_row, webhook_document
from service.http.query import reject_unknown_query
from service.http.responses import etag_response
from service.openapi.endpoint import JSON

_PAGE_SIZE = 25  # tasks on one page of the dashboard
_MAX_PAGE_SIZE = 200  # with ?limit=
_DEFAULT_MINUTES = 60  # of history by default
_MAX_WORKER_CHARACTERS = 300  # of the worker filter
_INTEGER = re.compile(r"[0-9]{1,6}")


class _HistoryQuery(TypedDict, total=False):
    minutes: Annotated[int, Field(ge=1, description="Minutes of history; 60 by default.")]


class _TasksQuery(TypedDict, total=False):
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
    search: Annotated[str, Field(description="Start of a task id or of a file name; case matters.")]
    after: Annotated[str, Field(description="The value of next of the previous page.")]
    limit: Annotated[int, Field(ge=1, description="How many; at most 200.")]


class _WebhooksQuery(TypedDict, total=False):
    status: Annotated[
        str,
        Field(
            description="Only webhooks of this status; WAITING: the task or group has not ended.",
            json_schema_extra={"enum": [str(each) for each in DeliveryStatus]},
        ),
    ]
    limit: Annotated[int, Field(ge=1, description="How many; at most 200.")]


@dashboard_endpoint(
    "List the workers", WorkersBody, examples=("curl '{url}/dashboard/api/workers'",)
)
async def workers(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/workers."""
    reject_unknown_query(request)
    found = await request.app[OVERVIEW].workers()
    return _json_response(request, {"workers": found})


@dashboard_endpoint(
    "Show the queue and the alerts", QueueBody, examples=("curl '{url}/dashboard/api/queue'",)
)
async def queue(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/queue: queue, workers and alerts now."""
    reject_unknown_query(request)
    return _json_response(request, await request.app[OVERVIEW].queue_state())


@dashboard_endpoint(
    "Show queue length and throughput over time",
    HistoryBody,
    query=_HistoryQuery,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/history?minutes=5'",),
)
async def history(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/history?minutes=: queue length and throughput over time."""
    reject_unknown_query(request, "minutes")
    minutes = _int_parameter(
        request, "minutes", _DEFAULT_MINUTES, queue_history.RETENTION_SECONDS // 60
    )
    return _json_response(request, await request.app[OVERVIEW].history(minutes))


@dashboard_endpoint(
    "List tasks",
    TaskPageBody,
    query=_TasksQuery,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/tasks?status=SUCCESS&limit=5'",),
)
async def tasks(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/tasks: a page of tasks, newest first."""
    reject_unknown_query(request, "status", "operation", "worker", "search", "after", "limit")
    wanted = _task_filter(request)
    limit = _int_parameter(request, "limit", _PAGE_SIZE, _MAX_PAGE_SIZE)
    page, cursor = await request.app[STORE].task_search.page(wanted, limit)
    return _json_response(request, {"tasks": [task_row(task) for task in page], "next": cursor})


@dashboard_endpoint(
    "Show a task",
    TaskDetailBody,
    errors=(NotFound, BadParameter),
    examples=("curl '{url}/dashboard/api/tasks/TASK_ID'",),
)
async def task(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/tasks/<id>: the details of a task."""
    reject_unknown_query(request)
    found = await request.app[STORE].tasks.get(request.match_info["id"])
    if found is None:
        raise NotFound("there is no task with this id")
    events = await request.app[STORE].webhooks.of_task(found.id)
    return _json_response(
        request, task_detail(found, events, await result_link_signer(request, found))
    )


@dashboard_endpoint(
    "List webhooks",
    WebhooksBody,
    query=_WebhooksQuery,
    errors=(BadParameter,),
    description="The newest webhooks of all tasks and groups.",
    examples=("curl '{url}/dashboard/api/webhooks?status=FAILED'",),
)
async def webhooks(request: web.Request) -> web.StreamResponse:
    """GET /dashboard/api/webhooks: the newest webhooks."""
    reject_unknown_query(request, "status", "limit")
    given, known = request.query.get("status", ""), [str(status) for status in DeliveryStatus]
    if given and given not in known:
        raise BadParameter(
            f"status={given[:40]!a} is unknown; use one of {', '.join(known)}",
            parameter="status",
            known=known,
        )
    limit = _int_parameter(request, "limit", _PAGE_SIZE, _MAX_PAGE_SIZE)
    status = DeliveryStatus(given) if given else None
    found = await request.app[STORE].webhooks.newest(status, limit)
    return _json_response(request, {"webhooks": [webhook_document(event) for event in found]})


def _task_filter(request: web.Request) -> TaskFilter:
    query = {name: request.query.get(name, "") for name in ("status", "operation", "worker")}
    search = request.query.get("search", "").strip()
    statuses = [str(status) for status in Status]
    for name, known in (("status", statuses), ("operation", list(OPERATIONS))):
        if query[name] and query[name] not in known:
            raise BadParameter(
                f"{name}={query[name][:40]!a} is unknown; use one of {', '.join(known)}",
                parameter=name,
                known=known,
            )
    for name, value, max_length in (
        ("worker", query["worker"], _MAX_WORKER_CHARACTERS),
        ("search", search, MAX_CHARACTERS),
    ):
        if len(value) > max_length:
            raise BadParameter(
                f"{name} has {len(value)} characters; at most {max_length} are allowed",
                parameter=name,
                limit=max_length,
                measured=len(value),
            )
        if not value.isprintable():
            raise BadParameter(
                f"{name} contains characters that are not printable; remove them", parameter=name
            )
    return TaskFilter(
        status=Status(query["status"]) if query["status"] else None,
        operation=query["operation"],
        worker=query["worker"],
        search=search,
        after=request.query.get("after", ""),
    )


def _int_parameter(request: web.Request, name: str, default: int, maximum: int) -> int:
    given = request.query.get(name)
    if given is None:
        return default
    if not _INTEGER.fullmatch(given) or not 1 <= int(given) <= maximum:
        raise BadParameter(
            f"{name}={given[:20]!a} is not a whole number from 1 to {maximum}",
            parameter=name,
            limit=maximum,
        )
    return int(given)


def _json_response(request: web.Request, document: Mapping[str, object]) -> web.Response:
    """Return the document, or 304 if the client has it already."""
    body = (json.dumps(document) + "\n").encode()
    return etag_response(
        request, body, hashlib.sha256(body).hexdigest()[:32], JSON, "private, no-cache"
    )
