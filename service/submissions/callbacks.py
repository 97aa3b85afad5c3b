"""The callback_url and deliver_url of a submission: checks them and adds them to the outbox."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from aiohttp import web

from models.errors import BadCallbackUrl, BadParameter
from models.outbound.url import AddressPolicy, parse_callback_url, parse_deliver_url
from models.outbox import webhook as events
from models.tasks.group import Group, Member
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS, STORE
from service.auth.identity import client_id
from service.auth.rate_limit import count_call
from service.uploads.form import DELIVER_URL

TEMPLATE = "{name}"
"""In a deliver_url: the name of the result."""


async def validate_callback_url(request: web.Request, given: str) -> str:
    """Return the valid ``given`` URL.

    Raises:
        BadCallbackUrl: not a URL, an address that is never called, or WEBHOOKS is off.
        RateLimited: the client sent WEBHOOKS_PER_CLIENT of them within the hour.
    """
    settings = request.app[SETTINGS]
    _check_enabled(request, "callback_url")
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
    if isinstance(subject, Task):
        webhook = events.task_webhook(subject, name, url, client_id(request))
        rearmable = subject.status is not Status.SUCCESS
    else:
        webhook = events.group_webhook(subject, url, client_id(request))
        rearmable = True
    await _add(request, webhook, "callback_url", rearmable=rearmable)


async def _add(
    request: web.Request, webhook: events.WebhookRequest, field: str, *, rearmable: bool
) -> None:
    store = request.app[STORE]
    if rearmable:
        others = await store.webhooks.count_rearmable(webhook)
        if others >= events.MAX_CALLBACKS:
            raise BadCallbackUrl(
                f"{webhook.about} {webhook.subject} has {others} URLs to call already; at most "
                f"{events.MAX_CALLBACKS} are allowed. It runs all the same: send the request "
                f"without {field}",
                parameter=field,
                limit=events.MAX_CALLBACKS,
                measured=others,
            )
    await store.webhooks.put(webhook)


def _check_enabled(request: web.Request, field: str) -> None:
    if not request.app[SETTINGS].webhook.webhooks:
        raise BadCallbackUrl(
            "this service calls no URLs (WEBHOOKS); poll with ?wait=, or read /events",
            parameter=field,
            setting="WEBHOOKS",
        )


async def validate_deliver_urls(request: web.Request, given: Sequence[str], results: int) -> None:
    """Return if results may go to the URLs ``given``: ``results`` of them, or one with TEMPLATE.

    Raises:
        BadParameter: there are more or fewer. BadCallbackUrl, RateLimited: see
            ``validate_callback_url``.
    """
    _check_enabled(request, DELIVER_URL)
    template = len(given) == 1 and TEMPLATE in given[0]
    if not template and len(given) != results:
        raise BadParameter(
            f"{len(given)} deliver_url came for {results} results: send one for each, in the order "
            f"of the pictures and their results, or a single one with {TEMPLATE}",
            parameter=DELIVER_URL,
            limit=results,
            measured=len(given),
        )
    policy = AddressPolicy(request.app[SETTINGS].webhook)
    for url in given:
        # In the host a name of a picture would choose who is called.
        if template and TEMPLATE in re.split("[/?#]", url.partition("//")[2])[0]:
            raise BadCallbackUrl(
                f"{TEMPLATE} may stand in the path and the query of a deliver_url, not in its host",
                parameter=DELIVER_URL,
            )
        parse_deliver_url(url.replace(TEMPLATE, "x") if template else url, policy)
    for _ in range(results):
        await count_call(request, "WEBHOOKS_PER_CLIENT")


async def add_deliveries(
    request: web.Request, urls: Sequence[str], members: Sequence[Member], tasks: Mapping[str, Task]
) -> None:
    """Add the deliveries of all results to ``urls``, which ``validate_deliver_urls`` has seen.

    Those of a picture that was refused go nowhere.

    Raises:
        BadCallbackUrl: see ``add_callback``; or a template with a result's name is too long.
    """
    policy = AddressPolicy(request.app[SETTINGS].webhook)
    template = urls[0] if len(urls) == 1 and TEMPLATE in urls[0] else None
    each = len(urls) // len(members)
    for place, member in enumerate(members):
        if member.task_id is None:
            continue
        task = tasks[member.task_id]
        for number, result in enumerate(task.upload(member.name).results):
            url = urls[place * each + number] if template is None else _filled(template, result)
            parse_deliver_url(url, policy)
            wanted = events.delivery(task, member.name, number, url, client_id(request))
            rearmable = task.status is not Status.SUCCESS
            await _add(request, wanted, DELIVER_URL, rearmable=rearmable)


def _filled(template: str, name: str) -> str:
    return template.replace(TEMPLATE, quote(name, safe=""))
