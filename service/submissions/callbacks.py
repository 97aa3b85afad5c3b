"""A callback_url that comes with a submission or a group: judged at once, told when that ended."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import BadCallback, Forbidden
from models.outbox import webhook as events
from models.outbox.webhook import Callback
from models.outbox.webhook_url import AddressPolicy, callback
from models.tasks.group import Group
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS, STORE
from service.http.client_ip import admit, party


@web.middleware
async def no_loop(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a Darkroom sent: a webhook to our own /retry would turn round for ever.

    Whoever names us by whatever name cannot leave the header out.

    Raises:
        Forbidden: it is a webhook.
    """
    if "webhook-signature" in request.headers:
        raise Forbidden("this is a webhook, and a Darkroom is no receiver of them")
    return await handler(request)


async def accepted(request: web.Request, given: str | None) -> str | None:
    """Return the callback_url that was given, None if none was.

    Raises:
        BadCallback: it is none, it is never called, or WEBHOOKS is off.
        RateLimited: this client has given as many within the hour.
    """
    if not given:
        return None
    settings = request.app[SETTINGS]
    if not settings.webhooks:
        raise BadCallback(
            "this service calls nobody back (WEBHOOKS); ask with ?wait=, or listen to /events",
            parameter="callback_url",
            setting="WEBHOOKS",
        )
    url = str(callback(given, AddressPolicy(settings)))
    await admit(request, "webhooks", "WEBHOOKS_PER_CLIENT")
    return url


async def tell_of_task(request: web.Request, url: str, task: Task, name: str) -> None:
    """Have the end of ``task``, sent as ``name``, told to ``url``; at once if it has ended.

    Raises:
        BadCallback: as many are told of it as may be.
    """
    callback = events.of_task(task, name, url, party(request))
    if task.status is not Status.SUCCESS:  # after that nothing is told again
        await _check_room(request, callback)
    await request.app[STORE].events.put(callback)


async def tell_of_group(request: web.Request, url: str, group: Group) -> None:
    """Have told to ``url`` that all of ``group`` has ended.

    Raises:
        BadCallback: as many are told of it as may be.
    """
    callback = events.of_group(group, url, party(request))
    await _check_room(request, callback)
    await request.app[STORE].events.put(callback)


async def _check_room(request: web.Request, callback: Callback) -> None:
    limit = request.app[SETTINGS].webhooks_per_task
    others = await request.app[STORE].events.others(callback)
    if others >= limit:
        raise BadCallback(
            f"{others} others are told already how {callback.about} {callback.subject} ends; at "
            f"most {limit} are (WEBHOOKS_PER_TASK). It is worked at all the same: ask for it "
            "without a callback_url",
            parameter="callback_url",
            setting="WEBHOOKS_PER_TASK",
            limit=limit,
            measured=others,
        )
