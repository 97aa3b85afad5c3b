"""The callback_url of a submission or group: validates it and adds its webhook to the outbox."""

from __future__ import annotations

from aiohttp import web

from models.errors import BadCallbackUrl
from models.outbox import webhook as events
from models.outbox.webhook import WebhookRequest
from models.outbox.webhook_url import AddressPolicy, parse_callback_url
from models.tasks.group import Group
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS, STORE
from service.auth.identity import client_id
from service.auth.rate_limit import count_call


async def validate_callback_url(request: web.Request, given: str | None) -> str | None:
    """Return the valid ``given`` URL; None if it is empty.

    Raises:
        BadCallbackUrl: not a URL, an address that is never called, or WEBHOOKS is off.
        RateLimited: the client sent WEBHOOKS_PER_CLIENT of them within the hour.
    """
    if not given:
        return None
    settings = request.app[SETTINGS]
    if not settings.webhooks:
        raise BadCallbackUrl(
            "this service sends no webhooks (WEBHOOKS); poll with ?wait=, or read /events",
            parameter="callback_url",
            setting="WEBHOOKS",
        )
    url = str(parse_callback_url(given, AddressPolicy(settings)))
    await count_call(request, "WEBHOOKS_PER_CLIENT")
    return url


async def add_task_callback(request: web.Request, url: str, task: Task, name: str) -> None:
    """Add a webhook to ``url`` for the end of ``task``; it is due at once if the task has ended.

    ``name``: the file name of the upload.

    Raises:
        BadCallbackUrl: WEBHOOKS_PER_TASK is reached.
    """
    callback = events.task_webhook(task, name, url, client_id(request))
    if task.status is not Status.SUCCESS:  # a successful task sends no further webhooks
        await _check_callback_limit(request, callback)
    await request.app[STORE].webhooks.put(callback)


async def add_group_callback(request: web.Request, url: str, group: Group) -> None:
    """Add a webhook to ``url`` for the end of all tasks of ``group``.

    Raises:
        BadCallbackUrl: WEBHOOKS_PER_TASK is reached.
    """
    callback = events.group_webhook(group, url, client_id(request))
    await _check_callback_limit(request, callback)
    await request.app[STORE].webhooks.put(callback)


async def _check_callback_limit(request: web.Request, callback: WebhookRequest) -> None:
    limit = request.app[SETTINGS].webhooks_per_task
    others = await request.app[STORE].webhooks.count_rearmable(callback)
    if others >= limit:
        raise BadCallbackUrl(
            f"{callback.about} {callback.subject} has {others} callback URLs already; at most "
            f"{limit} are allowed (WEBHOOKS_PER_TASK). It runs all the same: send the request "
            "without callback_url",
            parameter="callback_url",
            setting="WEBHOOKS_PER_TASK",
            limit=limit,
            measured=others,
        )
