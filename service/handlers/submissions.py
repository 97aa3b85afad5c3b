"""POST /<operation>: a picture in, a task out."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import BadParameter
from models.image import MEDIA_TYPES, Format
from models.operations import parse
from service.keys import CATALOGUE, ENDINGS, SETTINGS, SUBMITTER
from service.upload import receive, spool
from service.views import respond
from service.waiting import seconds, wants_picture


def submission(op: str) -> Handler:
    """Return the handler that submits pictures to the operation ``op``."""

    async def submit(request: web.Request) -> web.StreamResponse:
        settings = request.app[SETTINGS]
        wait = seconds(request, settings.max_wait)
        redirect = wants_picture(request)
        with spool() as file:
            form = await receive(request, file, settings)
            assert form.upload is not None
            name = form.upload.name
            output = _format(form.fields.pop("format", form.upload.header.format))
            operation = parse(op, form.fields)
            operation.weights(request.app[CATALOGUE])
            task = await request.app[SUBMITTER].submit(form.upload, [operation], output)
        structlog.contextvars.bind_contextvars(task_id=task.id)
        if wait and not task.ended:
            task = await request.app[ENDINGS].wait(task.id, wait) or task
        return respond(task, name=name, status=200 if task.ended else 202, redirect=redirect)

    return submit


def _format(asked: str) -> Format:
    if asked == "png":
        return "png"
    if asked in {"jpeg", "jpg"}:
        return "jpeg"
    raise BadParameter(
        f"format {asked[:20]!a} is not written; known: {', '.join(MEDIA_TYPES)}",
        parameter="format",
        known=list(MEDIA_TYPES),
    )
