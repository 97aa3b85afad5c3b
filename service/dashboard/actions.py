"""The dashboard's JSON API: what is done."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.errors import BadParameter, NotFound, OriginalGone, QueueFull, WrongStatus
from models.owner import EVERYTHING
from service.answers import json_answer
from service.client import party
from service.dashboard.bodies import AskedBody, DetailBody
from service.dashboard.documents import detail
from service.dashboard.linking import linking
from service.dashboard.operator import operator
from service.handlers.tasks import begun_again, cancelled
from service.keys import STORE
from service.waiting import only

log = structlog.get_logger()

_NAME = {"name": "The worker's name, as /dashboard/api/workers says it."}


@operator(
    "Try a task again",
    DetailBody,
    status=202,
    errors=(NotFound, WrongStatus, OriginalGone, QueueFull, BadParameter),
    description="One that failed or was cancelled, or whose result is gone.",
    examples=("curl -X POST '{url}/dashboard/api/tasks/TASK_ID/retry'",),
)
async def retry(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/api/tasks/<id>/retry."""
    only(request)
    task = await begun_again(request, request.match_info["id"], EVERYTHING)
    log.info("retried_by_operator", task_id=task.id, client=party(request))
    return json_answer(detail(task, await linking(request, task)), 202)


@operator(
    "Cancel a task",
    DetailBody,
    errors=(NotFound, WrongStatus, BadParameter),
    description="For everybody who waits for the same picture; the work stops.",
    examples=("curl -X POST '{url}/dashboard/api/tasks/TASK_ID/cancel'",),
)
async def cancel(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/api/tasks/<id>/cancel."""
    only(request)
    task = await cancelled(request, request.match_info["id"], EVERYTHING)
    log.info("cancelled_by_operator", task_id=task.id, client=party(request))
    return json_answer(detail(task, await linking(request, task)), 200)


@operator(
    "Drain a worker",
    AskedBody,
    status=202,
    errors=(NotFound, BadParameter),
    path=_NAME,
    description="It finishes what it has, and takes no more.",
    examples=("curl -X POST '{url}/dashboard/api/workers/WORKER/drain'",),
)
async def drain(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/api/workers/<name>/drain: it finishes what it has, and takes no more."""
    return await _ask(request, drain=True)


@operator(
    "Resume a worker",
    AskedBody,
    status=202,
    errors=(NotFound, BadParameter),
    path=_NAME,
    examples=("curl -X POST '{url}/dashboard/api/workers/WORKER/resume'",),
)
async def resume(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/api/workers/<name>/resume: it takes new tasks again."""
    return await _ask(request, drain=False)


async def _ask(request: web.Request, *, drain: bool) -> web.Response:
    only(request)
    name = request.match_info["name"]
    if not name.isprintable() or not await request.app[STORE].presence.ask(name, drain=drain):
        raise NotFound("there is no worker of this name, or it has ended")
    log.info("drain_asked" if drain else "resume_asked", worker=name, client=party(request))
    return json_answer({"name": name, "drain": drain}, 202)
