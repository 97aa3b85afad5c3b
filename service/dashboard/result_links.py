"""Signed links to the results of other owners, for the dashboard."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from models.auth.signed_links import SignedLink
from models.errors import Forbidden
from models.tasks.task import Task
from service.app_keys import SETTINGS, TOKENS
from service.auth.authenticator import AUTHENTICATOR

_ROUND_SECONDS = 600  # round the expiry, so that polls return the same link and their ETags match


async def result_link_signer(request: web.Request, task: Task) -> Callable[[str], str] | None:
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
