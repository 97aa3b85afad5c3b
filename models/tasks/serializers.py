"""What the API says of a task and of a group: the same body wherever one is answered or told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from models.auth.visibility import NOBODYS, View
from models.tasks.group import Group, Member, standing
from models.tasks.schemas import GroupBody, RefusedBody, ResultBody, TaskBody
from models.tasks.task import Status, Task

_PENDING = "PENDING"


def result_url(name: str, owner: str = "", view: View = NOBODYS) -> str:
    """Return the path of a result of ``owner``, for those who have ``view``."""
    whose = f"?owner={owner}" if view.is_foreign(owner) else ""
    return f"/processed/{quote(name)}{whose}"


def body(
    task: Task, name: str | None = None, group_id: str | None = None, view: View = NOBODYS
) -> TaskBody:
    """Return the JSON body for a task, with the names of its upload ``name`` (else the first)."""
    upload = task.upload(name)
    results = [
        _result_body(task, result_name, part, view)
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


def _result_body(task: Task, name: str, part: int, view: View) -> ResultBody:
    """Return what is said of one result; its ``url`` is null where its bytes are gone."""
    result, gone = task.results[part], task.gone(name, part)
    shown: ResultBody = {
        "name": name,
        "url": None if gone else result_url(name, task.owner, view),
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


def group_body(group: Group, tasks: Mapping[str, Task], view: View = NOBODYS) -> GroupBody:
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
        "tasks": [_member_body(group, member, tasks, view) for member in group.members],
    }


def archive_url(group: Group) -> str:
    return f"/status/{group.id}/archive"


def _member_body(
    group: Group, member: Member, tasks: Mapping[str, Task], view: View
) -> TaskBody | RefusedBody:
    task = tasks.get(member.task_id or "")
    if task is not None:
        return body(task, member.name, group.id, view)
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


def as_of_old(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body that says PENDING where this one says STARTED (LEGACY_STATUS)."""
    older = {**document}
    if "tasks" in older:
        older["tasks"] = [as_of_old(each) for each in older["tasks"]]
    if older["status"] == Status.STARTED:
        older["status"] = _PENDING
    return older


def iso(value: Any) -> str | None:
    """Return a time as the API writes it: UTC, to the millisecond."""
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else None
