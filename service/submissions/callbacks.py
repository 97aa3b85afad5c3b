"""The callback_url of a submission or group: validates it and adds its webhook to the outbox."""

from __future__ import annotations

from aiohttp import web

from models.errors import BadCallbackUrl
from models.outbound.url import AddressPolicy, parse_callback_url
from models.outbox import webhook as events
from models.tasks.group import Group
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS, STORE
from service.auth.identity import client_id
from service.auth.rate_limit import count_call


async def validate_callback_url(request: web.Request, given: str) -> str:
    """Return the valid ``given`` URL.

    Raises:
        BadCallbackUrl: not a URL, an address that is never called, or WEBHOOKS is off.
        RateLimited: the client sent WEBHOOKS_PER_CLIENT of them within the hour.
    """
    settings = request.app[SETTINGS]
    if not settings.webhook.webhooks:
        raise BadCallbackUrl(
            "this service sends no webhooks (WEBHOOKS); poll with ?wait=, or read /events",
            parameter="callback_url",
            setting="WEBHOOKS",
        )
    url = str(parse_callback_url(given, AddressPolicy(settings.webhook)))
    await count_call(request, "WEBHOOKS_PER_CLIENT")
    return url


async def add_callback(
    request: web.Request, url: str, subject: Task | Group, name: str = ""
) -> None:
    """Add a webhook to ``url`` for the end of a task or of all tasks of a group.

    It is due at once if the task has ended. ``name``: the file name of its upload.

    Raises:
        BadCallbackUrl: it has MAX_CALLBACKS already.
    """
    store = request.app[STORE]
    if isinstance(subject, Task):
        webhook = events.task_webhook(subject, name, url, client_id(request))
        rearmable = subject.status is not Status.SUCCESS
    else:
        webhook = events.group_webhook(subject, url, client_id(request))
        rearmable = True
    if rearmable:
        others = await store.webhooks.count_rearmable(webhook)
        if others >= events.MAX_CALLBACKS:
            raise BadCallbackUrl(
                f"{webhook.about} {webhook.subject} has {others} callback URLs already; at most "
                f"{events.MAX_CALLBACKS} are allowed. It runs all the same: send the request "
                "without callback_url",
                parameter="callback_url",
                limit=events.MAX_CALLBACKS,
                measured=others,
            )
    await store.webhooks.put(webhook)
