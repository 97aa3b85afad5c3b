"""The dashboard's JSON API: what is done."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.auth.visibility import EVERYTHING
from models.errors import BadParameter, NotFound, OriginalGone, QueueFull, WrongStatus
from models.outbox.item import Mailing
from models.tasks.task import Task
from service.app_keys import STORE
from service.dashboard.endpoint import operator
from service.dashboard.result_links import linking
from service.dashboard.schemas import AskedBody, DetailBody, WebhookBody
from service.dashboard.serializers import detail, webhook
from service.handlers.tasks import begun_again, cancelled
from service.http.client_ip import party
from service.http.query import only
from service.http.responses import json_answer

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
    return await _answer(request, task, 202)


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
    return await _answer(request, task, 200)


@operator(
    "Send a webhook once more",
    WebhookBody,
    status=202,
    errors=(NotFound, WrongStatus, BadParameter),
    path={"id": "The webhook's id, as the task says it."},
    description="At once, under the same webhook-id, whether it was delivered, failed or waits to "
    "be tried again.",
    examples=("curl -X POST '{url}/dashboard/api/webhooks/WEBHOOK_ID/redeliver'",),
)
async def redeliver(request: web.Request) -> web.StreamResponse:
    """POST /dashboard/api/webhooks/<id>/redeliver."""
    only(request)
    event_id = request.match_info["id"]
    asked, event = await request.app[STORE].events.redeliver(event_id)
    if event is None:
        raise NotFound("there is no webhook of this id, or it is no longer kept")
    if not asked:
        raise WrongStatus(
            f"the webhook is {event.status}: what it is about has not ended, or it is being sent "
            "just now",
            measured=event.status,
            allowed=[Mailing.SENT, Mailing.FAILED],
        )
    log.info("redelivered_by_operator", webhook=event.id, client=party(request))
    return json_answer(webhook(event), 202)


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


async def _answer(request: web.Request, task: Task, status: int) -> web.Response:
    events = await request.app[STORE].events.of_task(task.id)
    return json_answer(detail(task, events, await linking(request, task)), status)


async def _ask(request: web.Request, *, drain: bool) -> web.Response:
    only(request)
    name = request.match_info["name"]
    if not name.isprintable() or not await request.app[STORE].presence.ask(name, drain=drain):
        raise NotFound("there is no worker of this name, or it has ended")
    log.info("drain_asked" if drain else "resume_asked", worker=name, client=party(request))
    return json_answer({"name": name, "drain": drain}, 202)
