"""JSON API of the dashboard: workers, queue, stores, history, tasks and webhooks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence

from aiohttp import web

from models.errors import BadParameter, NotFound
from models.operations import OPERATIONS
from models.outbox.item import DeliveryStatus
from models.store.tasks import queue_history
from models.store.tasks.search import TaskFilter
from models.tasks.filenames import MAX_CHARACTERS
from models.tasks.task import Status, Task
from service.app_keys import STORE
from service.auth.identity import identity
from service.dashboard.activity import ActivityBody
from service.dashboard.endpoint import dashboard_endpoint
from service.dashboard.health import StateBody
from service.dashboard.overview import OVERVIEW
from service.dashboard.schemas import HistoryBody, QueueBody, WorkersBody
from service.dashboard.serializers import task_detail, task_row, webhook_document
from service.dashboard.task_schemas import TaskDetailBody, TaskPageBody, WebhooksBody
from service.http.responses import etag_response
from service.openapi.endpoint import JSON, parameter

_PAGE_SIZE = 25  # tasks on one page of the dashboard
_MAX_PAGE_SIZE = 200  # with ?limit=
_DEFAULT_MINUTES = 60  # of history by default
_MAX_WORKER_CHARACTERS = 300  # of the worker filter
_INTEGER = re.compile(r"[0-9]{1,6}")


_LIMIT = {"limit": parameter(f"How many; at most {_MAX_PAGE_SIZE}.", type="integer", minimum=1)}
_HISTORY = {
    "minutes": parameter("Minutes of history; 60 by default.", type="integer", minimum=1),
}
_TASKS = {
    "status": parameter("Only tasks of this status.", enum=list(Status)),
    "operation": parameter("Only tasks with this operation.", enum=list(OPERATIONS)),
    "worker": parameter("Only tasks that this worker claimed last."),
    "search": parameter("Start of a task id or of a file name; case matters."),
    "after": parameter("The value of next of the previous page."),
    **_LIMIT,
}
_WEBHOOKS = {
    "status": parameter(
        "Only webhooks of this status; WAITING: the task or group has not ended.",
        enum=list(DeliveryStatus),
    ),
    **_LIMIT,
}


@dashboard_endpoint(
    "List the workers", WorkersBody, examples=("curl '{url}/dashboard/api/workers'",)
)
async def workers(request: web.Request) -> web.StreamResponse:
    found = await request.app[OVERVIEW].workers()
    return _json_response(request, {"workers": found})


@dashboard_endpoint(
    "Show the queue and the alerts", QueueBody, examples=("curl '{url}/dashboard/api/queue'",)
)
async def queue(request: web.Request) -> web.StreamResponse:
    return _json_response(request, await request.app[OVERVIEW].queue_state())


@dashboard_endpoint(
    "Show queue length and throughput over time",
    HistoryBody,
    query=_HISTORY,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/history?minutes=5'",),
)
async def history(request: web.Request) -> web.StreamResponse:
    return _json_response(request, await request.app[OVERVIEW].history(_minutes(request)))


@dashboard_endpoint(
    "Show refusals, durations and use by key",
    ActivityBody,
    query=_HISTORY,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/activity?minutes=15'",),
)
async def activity(request: web.Request) -> web.StreamResponse:
    return _json_response(request, await request.app[OVERVIEW].activity(_minutes(request)))


@dashboard_endpoint(
    "Show the health of stores and disks",
    StateBody,
    examples=("curl '{url}/dashboard/api/health'",),
)
async def health(request: web.Request) -> web.StreamResponse:
    return _json_response(request, await request.app[OVERVIEW].health())


@dashboard_endpoint(
    "List tasks",
    TaskPageBody,
    query=_TASKS,
    errors=(BadParameter,),
    examples=("curl '{url}/dashboard/api/tasks?status=SUCCESS&limit=5'",),
)
async def tasks(request: web.Request) -> web.StreamResponse:
    status = _choice(request, "status", list(Status))
    wanted = TaskFilter(
        status=Status(status) if status else None,
        operation=_choice(request, "operation", list(OPERATIONS)),
        worker=_text(request, "worker", _MAX_WORKER_CHARACTERS),
        search=_text(request, "search", MAX_CHARACTERS),
        after=request.query.get("after", ""),
    )
    limit = _page_size(request)
    page, cursor = await request.app[STORE].task_search.page(wanted, limit)
    return _json_response(request, {"tasks": [task_row(task) for task in page], "next": cursor})


@dashboard_endpoint(
    "Show a task",
    TaskDetailBody,
    errors=(NotFound, BadParameter),
    examples=("curl '{url}/dashboard/api/tasks/TASK_ID'",),
)
async def task(request: web.Request) -> web.StreamResponse:
    found = await request.app[STORE].tasks.get(request.match_info["id"])
    if found is None:
        raise NotFound("there is no task with this id")
    return _json_response(request, await task_details(request, found))


@dashboard_endpoint(
    "List webhooks",
    WebhooksBody,
    query=_WEBHOOKS,
    errors=(BadParameter,),
    description="The newest webhooks of all tasks and groups.",
    examples=("curl '{url}/dashboard/api/webhooks?status=FAILED'",),
)
async def webhooks(request: web.Request) -> web.StreamResponse:
    given = _choice(request, "status", list(DeliveryStatus))
    status = DeliveryStatus(given) if given else None
    limit = _page_size(request)
    found = await request.app[STORE].webhooks.newest(status, limit)
    return _json_response(request, {"webhooks": [webhook_document(event) for event in found]})


async def task_details(request: web.Request, task: Task) -> TaskDetailBody:
    """Return the details of a task with its webhooks."""
    store = request.app[STORE]
    events, original_bytes = await asyncio.gather(
        store.webhooks.of_task(task.id), store.originals.size(task.original_id)
    )
    return task_detail(task, events, original_bytes, identity(request).view)


def _choice(request: web.Request, name: str, known: Sequence[str]) -> str:
    """Return a parameter that is one of ``known``, or empty."""
    given = request.query.get(name, "")
    if given and given not in known:
        raise BadParameter(
            f"{name}={given[:40]!a} is unknown; use one of {', '.join(known)}",
            parameter=name,
            known=[str(each) for each in known],
        )
    return given


def _text(request: web.Request, name: str, limit: int) -> str:
    given = request.query.get(name, "").strip()
    if len(given) > limit:
        raise BadParameter(
            f"{name} has {len(given)} characters; at most {limit} are allowed",
            parameter=name,
            limit=limit,
            measured=len(given),
        )
    if not given.isprintable():
        raise BadParameter(
            f"{name} contains characters that are not printable; remove them", parameter=name
        )
    return given


def _minutes(request: web.Request) -> int:
    most = queue_history.RETENTION_SECONDS // 60
    return _int_parameter(request, "minutes", _DEFAULT_MINUTES, most)


def _page_size(request: web.Request) -> int:
    return _int_parameter(request, "limit", _PAGE_SIZE, _MAX_PAGE_SIZE)


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
    return etag_response(request, body, JSON, "private, no-cache")
