"""GET /tasks/<id>/deliveries: where the results of a task were sent, and how that went."""

from __future__ import annotations

from aiohttp import web

from models.errors import NotFound
from models.outbox.webhook import WebhookEvent
from models.tasks.serializers import iso
from service.app_keys import STORE
from service.auth.identity import client_id, identity
from service.http.responses import json_response
from service.openapi.endpoint import ResponseSpec, endpoint
from service.openapi.error_groups import STORE_ERRORS
from service.schemas import DeliveriesBody, DeliveryBody


@endpoint(
    "Tasks",
    "See how its results are delivered",
    description="Those that this client asked for with deliver_url.",
    responses={200: ResponseSpec("The deliveries.", DeliveriesBody)},
    errors=(NotFound, *STORE_ERRORS),
    examples=("curl {url}/tasks/TASK_ID/deliveries",),
)
async def show(request: web.Request) -> web.StreamResponse:
    """List the deliveries of a task's results that this client asked for."""
    store, task_id = request.app[STORE], request.match_info["id"]
    if await store.tasks.get(task_id, identity(request).view) is None:
        raise NotFound("there is no task with this id")
    found = await store.webhooks.deliveries(task_id, client_id(request))
    body: DeliveriesBody = {"deliveries": [_body(each) for each in found]}
    return json_response(body)


def _body(delivery: WebhookEvent) -> DeliveryBody:
    return {
        "result": delivery.result or 0,
        "name": delivery.name or "",
        "url": delivery.url.partition("?")[0],
        "status": delivery.status,
        "attempts": len(delivery.log),
        "error": _error(delivery),
        "created_at": iso(delivery.created_at),
        "ended_at": iso(delivery.ended_at),
    }


def _error(delivery: WebhookEvent) -> str | None:
    """Return why it was not taken, and nothing of names and addresses in our network."""
    if delivery.error is None or not delivery.log:
        return delivery.error
    status = delivery.log[-1].status
    if status is not None:
        return f"the receiver answered {status}"
    return "the receiver could not be reached, or its address is never called"
