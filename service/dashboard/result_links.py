"""Links to results for operators, who need not have a key: the dashboard has ways of its own in."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from models.auth.signed_links import Link
from models.errors import Forbidden
from models.tasks.task import Task
from service.app_keys import SETTINGS, TOKENS
from service.auth.authenticator import DOORKEEPER

_ROUND = 600  # seconds to which its end is rounded, or each poll would say something new


async def linking(request: web.Request, task: Task) -> Callable[[str], str] | None:
    """Return what signs the paths of a task's results; None where they open without.

    They are no longer to be opened where the task's key is void.
    """
    settings = request.app[SETTINGS]
    if not settings.keys_on:
        return None
    try:
        made = await request.app[DOORKEEPER].made(task.owner)
    except Forbidden:
        return None
    until = (int(time.time() + settings.link_ttl) // _ROUND + 1) * _ROUND

    def link(name: str) -> str:
        return Link(f"/processed/{name}", task.owner, until).sealed(request.app[TOKENS], made)

    return link
