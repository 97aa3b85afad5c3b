"""What the API says of a task and of a group: the same body wherever one is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from models.errors import from_document
from models.group import Group, Member, standing
from models.task import Status, Task
from service.answers import json_answer
from service.errors import answer
from service.keys import SETTINGS
from service.results import no_longer

_PENDING = "PENDING"


def result_url(name: str) -> str:
    return f"/processed/{quote(name)}"


def body(task: Task, name: str | None = None, group_id: str | None = None) -> dict[str, Any]:
    """Return the JSON body for a task, with the names of its upload ``name`` (else the first)."""
    upload = task.upload(name)
    results = [
        _result_body(task, result_name, part)
        for part, result_name in enumerate(upload.results[: len(task.results)])
    ]
    return {
        "task_id": task.id,
        "group_id": group_id or task.id,
        "status": task.status,
        "progress": task.progress,
        "name": upload.name,
        "url": results[0]["url"] if results else None,
        "results": results,
        "operations": task.operations,
        "created_at": iso(task.created_at),
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
        "error": task.error,
        "report": task.report,
    }


def _result_body(task: Task, name: str, part: int) -> dict[str, Any]:
    """Return what is said of one result; its ``url`` is null where its bytes are gone."""
    result, gone = task.results[part], task.gone(name, part)
    shown: dict[str, Any] = {
        "name": name,
        "url": None if gone else result_url(name),
        "width": result.width,
        "height": result.height,
        "format": result.format,
        "bytes": result.bytes,
        "sha256": result.sha256,
        "notes": result.notes,
    }
    if gone:
        shown["gone"] = {"reason": gone.reason, "at": iso(gone.at)}
    return shown


def group_body(group: Group, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Return the JSON body for a group; one picture after the other, in the order they came."""
    far = standing(group, tasks)
    succeeded = far.total - far.failed
    return {
        "group_id": group.id,
        "status": far.status,
        "total": far.total,
        "done": far.done,
        "failed": far.failed,
        "progress": far.progress,
        "eta_seconds": far.eta,
        "created_at": iso(group.created_at),
        "archive_url": archive_url(group) if far.ended and succeeded else None,
        "tasks": [_member_body(group, member, tasks) for member in group.members],
    }


def archive_url(group: Group) -> str:
    return f"/status/{group.id}/archive"


def _member_body(group: Group, member: Member, tasks: Mapping[str, Task]) -> dict[str, Any]:
    task = tasks.get(member.task_id or "")
    if task is not None:
        return body(task, member.name, group.id)
    lost = {"code": "not_found", "detail": "its task is no longer kept"}
    return {
        "task_id": None,
        "group_id": group.id,
        "status": Status.FAILURE,
        "progress": 0,
        "name": member.name,
        "url": None,
        "results": [],
        "operations": [],
        "created_at": iso(group.created_at),
        "started_at": None,
        "finished_at": iso(group.created_at),
        "error": member.error or lost,
        "report": None,
    }


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
    where = location(task, name)
    if redirect and task.status is Status.SUCCESS:
        first = task.upload(name).results[0]
        if gone := task.gone(first, 0):
            return answer(no_longer(task, first, gone, request.app[SETTINGS]))
        return web.Response(status=303, headers={"Location": result_url(first)})
    if redirect and task.error is not None:
        return answer(from_document(task.error))
    return _json(request, body(task, name, group_id), status, where)


def respond_group(
    request: web.Request,
    group: Group,
    tasks: Mapping[str, Task],
    *,
    status: int,
    redirect: bool,
) -> web.Response:
    """Answer for a group: its body, or with ``redirect`` the way to its archive once it is done."""
    document = group_body(group, tasks)
    if redirect and document["archive_url"]:
        return web.Response(status=303, headers={"Location": document["archive_url"]})
    return _json(request, document, status, f"/status/{group.id}")


def _json(
    request: web.Request, document: dict[str, Any], status: int, location: str
) -> web.Response:
    if request.app[SETTINGS].legacy_status:
        for each in (document, *document.get("tasks", ())):
            if each["status"] == Status.STARTED:
                each["status"] = _PENDING
    return json_answer(document, status, {"Location": location})


def iso(value: Any) -> str | None:
    """Return a time as the API writes it: UTC, to the millisecond."""
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else None
