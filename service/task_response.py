"""Responses for a task or group: its JSON, or a redirect to its result."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from models.error_members import from_document
from models.tasks.group import Group
from models.tasks.schemas import GroupBody, TaskBody
from models.tasks.serializers import group_body, result_url, task_body, with_legacy_status
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS
from service.auth.identity import identity
from service.events.queue_watch import QUEUE_WATCH
from service.http.errors import error_response
from service.http.responses import json_response
from service.results import result_gone_error


def location(task: Task, name: str | None) -> str:
    """Return the task's path; an upload name other than the first is in its query."""
    upload = task.upload(name)
    query = "" if upload is task.uploads[0] else "?" + urlencode({"name": upload.name})
    return f"/tasks/{task.id}{query}"


async def respond_task(
    request: web.Request,
    task: Task,
    *,
    name: str | None,
    status: int,
    redirect: bool,
    group_id: str | None = None,
) -> web.Response:
    """Respond with a task: its JSON, or with ``redirect`` 303 to its result once it succeeded.

    With ``redirect`` a failed task is an error response, since the client expects an image.
    """
    where, view = location(task, name), identity(request).view
    if redirect and task.status is Status.SUCCESS:
        first = task.upload(name).results[0]
        if gone := task.removal(first, 0):
            return error_response(
                result_gone_error(task, first, gone, request.app[SETTINGS].retention)
            )
        return web.Response(status=303, headers={"Location": result_url(first, task.owner, view)})
    if redirect and task.error is not None:
        return error_response(from_document(task.error))
    queue = await request.app[QUEUE_WATCH].for_response([task])
    return _json(request, task_body(task, name, group_id, view, queue), status, where)


async def respond_group(
    request: web.Request,
    group: Group,
    tasks: Mapping[str, Task],
    *,
    status: int,
    redirect: bool,
) -> web.Response:
    """Respond with a group: its JSON, or with ``redirect`` 303 to its archive once it has ended."""
    queue = await request.app[QUEUE_WATCH].for_response(tasks.values())
    document = group_body(group, tasks, identity(request).view, queue)
    if redirect and document["archive_url"]:
        return web.Response(status=303, headers={"Location": document["archive_url"]})
    return _json(request, document, status, f"/status/{group.id}")


def _json(
    request: web.Request, document: TaskBody | GroupBody, status: int, location: str
) -> web.Response:
    if request.app[SETTINGS].http.legacy_status:
        return json_response(with_legacy_status(document), status, {"Location": location})
    return json_response(document, status, {"Location": location})
