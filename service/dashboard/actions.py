"""JSON API of the dashboard: actions on tasks, webhooks and workers."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.auth.visibility import UNRESTRICTED_VIEW
from models.errors import BadParameter, NotFound, OriginalGone, QueueFull, WrongStatus
from models.outbox.item import DeliveryStatus
from service.app_keys import STORE
from service.auth.identity import client_id
from service.dashboard.endpoint import dashboard_endpoint
from service.dashboard.queries import task_details
from service.dashboard.schemas import DrainBody
from service.dashboard.serializers import webhook_document
from service.dashboard.task_schemas import TaskDetailBody, WebhookBody
from service.http.responses import json_response
from service.submissions.task_actions import cancel_task, retry_task

log = structlog.get_logger()


@dashboard_endpoint(
    "Retry a task",
    TaskDetailBody,
    status=202,
    errors=(NotFound, WrongStatus, OriginalGone, QueueFull, BadParameter),
    description="A task that failed, was cancelled, or whose result is gone.",
    examples=("curl -X POST '{url}/dashboard/api/tasks/TASK_ID/retry'",),
)
async def retry(request: web.Request) -> web.StreamResponse:
    task = await retry_task(request, request.match_info["id"], UNRESTRICTED_VIEW)
    log.info("task_retried_by_operator", task_id=task.id, client=client_id(request))
    return json_response(await task_details(request, task), 202)


@dashboard_endpoint(
    "Cancel a task",
    TaskDetailBody,
    errors=(NotFound, WrongStatus, BadParameter),
    description="Stops the work, also for other clients that wait for the same task.",
    examples=("curl -X POST '{url}/dashboard/api/tasks/TASK_ID/cancel'",),
)
async def cancel(request: web.Request) -> web.StreamResponse:
    task = await cancel_task(request, request.match_info["id"], UNRESTRICTED_VIEW)
    log.info("task_cancelled_by_operator", task_id=task.id, client=client_id(request))
    return json_response(await task_details(request, task))


@dashboard_endpoint(
    "Redeliver a webhook",
    WebhookBody,
    status=202,
    errors=(NotFound, WrongStatus, BadParameter),
    description="Sends it at once with the same webhook-id, whether it was delivered, failed or "
    "waits for its next attempt.",
    examples=("curl -X POST '{url}/dashboard/api/webhooks/WEBHOOK_ID/redeliver'",),
)
async def redeliver(request: web.Request) -> web.StreamResponse:
    requested, event = await request.app[STORE].webhooks.redeliver(request.match_info["id"])
    if event is None:
        raise NotFound("there is no webhook with this id, or it is no longer kept")
    if not requested:
        raise WrongStatus(
            f"the webhook is {event.status}: its task or group has not ended, or it is being sent "
            "right now; only a webhook that is SENT or FAILED can be redelivered",
            measured=event.status,
            allowed=[DeliveryStatus.SENT, DeliveryStatus.FAILED],
        )
    log.info("webhook_redelivered_by_operator", webhook=event.id, client=client_id(request))
    return json_response(webhook_document(event), 202)


@dashboard_endpoint(
    "Drain a worker",
    DrainBody,
    status=202,
    errors=(NotFound, BadParameter),
    description="The worker finishes its tasks and takes no new ones.",
    examples=("curl -X POST '{url}/dashboard/api/workers/WORKER/drain'",),
)
async def drain(request: web.Request) -> web.StreamResponse:
    return await _request_drain(request, drain=True)


@dashboard_endpoint(
    "Resume a worker",
    DrainBody,
    status=202,
    errors=(NotFound, BadParameter),
    examples=("curl -X POST '{url}/dashboard/api/workers/WORKER/resume'",),
)
async def resume(request: web.Request) -> web.StreamResponse:
    return await _request_drain(request, drain=False)


async def _request_drain(request: web.Request, *, drain: bool) -> web.Response:
    name = request.match_info["name"]
    if not name.isprintable() or not await request.app[STORE].workers.set_drain(name, drain=drain):
        raise NotFound("there is no worker with this name, or it has ended")
    log.info(
        "drain_requested" if drain else "resume_requested", worker=name, client=client_id(request)
    )
    return json_response({"name": name, "drain": drain}, 202)
