"""GET /tasks/<id>: how far it is, at once or when it has ended."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.errors import NotFound
from service.keys import ENDINGS, SETTINGS
from service.views import respond
from service.waiting import only, seconds, wants_picture


async def show(request: web.Request) -> web.StreamResponse:
    only(request, "wait", "redirect", "name")
    wait = seconds(request, request.app[SETTINGS].max_wait)
    redirect = wants_picture(request)
    task = await request.app[ENDINGS].wait(request.match_info["id"], wait)
    if task is None:
        raise NotFound("there is no task of this id")
    structlog.contextvars.bind_contextvars(task_id=task.id)
    return respond(request, task, name=request.query.get("name"), status=200, redirect=redirect)
