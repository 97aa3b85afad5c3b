"""The details of a task, with signed links to results of other owners."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from models.auth.signed_links import SignedLink
from models.errors import Forbidden
from models.tasks.task import Task
from service.app_keys import SETTINGS, STORE, TOKENS
from service.auth.authenticator import AUTHENTICATOR
from service.dashboard.schemas import TaskDetailBody
from service.dashboard.serializers import task_detail

_ROUND_SECONDS = 600  # round the expiry, so that polls return the same link and their ETags match


async def task_details(request: web.Request, task: Task) -> TaskDetailBody:
    """Return the details of a task with its webhooks, and with links that open its results."""
    events = await request.app[STORE].webhooks.of_task(task.id)
    return task_detail(task, events, await _link_signer(request, task))


async def _link_signer(request: web.Request, task: Task) -> Callable[[str], str] | None:
    """Return a function that signs result URLs of ``task``; None where it cannot or need not.

    Without API keys no signature is needed; for a task of a revoked key none is made.
    """
    settings = request.app[SETTINGS]
    if not settings.api_keys_enabled:
        return None
    try:
        generation = await request.app[AUTHENTICATOR].link_generation(task.owner)
    except Forbidden:
        return None
    until = (int(time.time() + settings.link_ttl) // _ROUND_SECONDS + 1) * _ROUND_SECONDS

    def link(name: str) -> str:
        return SignedLink(f"/processed/{name}", task.owner, until).signed_url(
            request.app[TOKENS], generation
        )

    return link
