"""POST /<operation>: a picture in, a task out."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import BadParameter
from models.image import MEDIA_TYPES, Format
from models.operations import parse
from service.keys import ENDINGS, SETTINGS, SUBMITTER
from service.upload import receive, spool
from service.views import respond
from service.waiting import only, seconds, wants_picture


def submission(op: str) -> Handler:
    """Return the handler that submits pictures to the operation ``op``."""

    async def submit(request: web.Request) -> web.StreamResponse:
        settings = request.app[SETTINGS]
        only(request, "wait", "redirect")
        wait = seconds(request, settings.max_wait)
        redirect = wants_picture(request)
        with spool() as file:
            upload, fields = await receive(request, file, settings)
            name = upload.name
            output = _format(fields.pop("format", upload.header.format))
            operation = parse(op, fields)
            task = await request.app[SUBMITTER].submit(upload, [operation], output)
        structlog.contextvars.bind_contextvars(task_id=task.id)
        if wait and not task.ended:
            task = await request.app[ENDINGS].wait(task.id, wait) or task
        return respond(task, name=name, status=200 if task.ended else 202, redirect=redirect)

    return submit


def _format(asked: str) -> Format:
    if asked.lower() == "png":
        return "png"
    if asked.lower() in {"jpeg", "jpg"}:
        return "jpeg"
    raise BadParameter(
        f"format {asked[:20]!a} is not written; known: {', '.join(MEDIA_TYPES)}",
        parameter="format",
        known=list(MEDIA_TYPES),
    )
