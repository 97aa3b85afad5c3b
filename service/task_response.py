"""How a task or a group is answered: its body, or the way to its result."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from aiohttp import web

from models.errors import from_document
from models.tasks.group import Group
from models.tasks.schemas import GroupBody, TaskBody
from models.tasks.serializers import as_of_old, body, group_body, result_url
from models.tasks.task import Status, Task
from service.app_keys import SETTINGS
from service.auth.identity import caller
from service.http.errors import answer
from service.http.responses import json_answer
from service.results import no_longer


def location(task: Task, name: str | None) -> str:
    """Return the task's path; a second name for the same bytes is kept in its query."""
    upload = task.upload(name)
    query = "" if upload is task.uploads[0] else "?" + urlencode({"name": upload.name})
    return f"/tasks/{task.id}{query}"


def respond(
    request: web.Request,
    task: Task,
    *,
    name: str | None,
    status: int,
    redirect: bool,
    group_id: str | None = None,
) -> web.Response:
    """Answer for a task: its body, or with ``redirect`` the way to its result once there is one.

    A client that wants the picture gets a failed task's error as an error, not as a picture.
    """
    where, view = location(task, name), caller(request).view
    if redirect and task.status is Status.SUCCESS:
        first = task.upload(name).results[0]
        if gone := task.gone(first, 0):
            return answer(no_longer(task, first, gone, request.app[SETTINGS]))
        return web.Response(status=303, headers={"Location": result_url(first, task.owner, view)})
    if redirect and task.error is not None:
        return answer(from_document(task.error))
    return _json(request, body(task, name, group_id, view), status, where)


def respond_group(
    request: web.Request,
    group: Group,
    tasks: Mapping[str, Task],
    *,
    status: int,
    redirect: bool,
) -> web.Response:
    """Answer for a group: its body, or with ``redirect`` the way to its archive once it is done."""
    document = group_body(group, tasks, caller(request).view)
    if redirect and document["archive_url"]:
        return web.Response(status=303, headers={"Location": document["archive_url"]})
    return _json(request, document, status, f"/status/{group.id}")


def _json(
    request: web.Request, document: TaskBody | GroupBody, status: int, location: str
) -> web.Response:
    if request.app[SETTINGS].legacy_status:
        return json_answer(as_of_old(document), status, {"Location": location})
    return json_answer(document, status, {"Location": location})
