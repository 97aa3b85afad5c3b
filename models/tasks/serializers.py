"""Tasks and groups to JSON: the same body in responses, server-sent events and webhooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from models.auth.visibility import ANONYMOUS_VIEW, View
from models.tasks.group import LOST, Group, Member, group_progress
from models.tasks.queue_position import QueueSnapshot
from models.tasks.schemas import GroupBody, RefusedBody, ResultBody, TaskBody
from models.tasks.task import Status, Task

_PENDING = "PENDING"


def result_url(name: str, owner: str = "", view: View = ANONYMOUS_VIEW) -> str:
    """Return the path of a result of ``owner``, for a client with ``view``."""
    query = f"?owner={owner}" if view.is_foreign(owner) else ""
    return f"/processed/{quote(name)}{query}"


def task_body(
    task: Task,
    name: str | None = None,
    group_id: str | None = None,
    view: View = ANONYMOUS_VIEW,
    queue: QueueSnapshot | None = None,
) -> TaskBody:
    """Return the JSON body of a task, with the names of its upload ``name``, else of the first.

    ``queue``: by which an ETA is estimated; without it there is none, unless the task has ended.
    """
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
        "eta_seconds": eta_seconds([task], queue),
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
    """Return the JSON of one result; ``url`` is null if its bytes were removed."""
    result, removal = task.results[part], task.removal(name, part)
    result_body: ResultBody = {
        "name": name,
        "url": None if removal else result_url(name, task.owner, view),
        "width": result.width,
        "height": result.height,
        "format": result.format,
        "bytes": result.bytes,
        "sha256": result.sha256,
        "notes": result.notes,
    }
    if removal:
        result_body["gone"] = {"reason": removal.reason, "at": iso(removal.at)}
    return result_body


def eta_seconds(tasks: Iterable[Task], queue: QueueSnapshot | None) -> float | None:
    """Return the seconds until all of ``tasks`` have ended, 0 if they have; None if unknown."""
    etas = [
        0.0 if task.ended else queue.eta_seconds(task) if queue is not None else None
        for task in tasks
    ]
    known = [eta for eta in etas if eta is not None]
    return max(known, default=0.0) if len(known) == len(etas) else None


def group_body(
    group: Group,
    tasks: Mapping[str, Task],
    view: View = ANONYMOUS_VIEW,
    queue: QueueSnapshot | None = None,
) -> GroupBody:
    """Return the JSON body of a group, its pictures in the order of the upload.

    ``queue``: see ``task_body``.
    """
    progress = group_progress(group, tasks)
    succeeded = progress.total - progress.failed
    return {
        "group_id": group.id,
        "status": progress.status,
        "total": progress.total,
        "done": progress.done,
        "failed": progress.failed,
        "progress": progress.progress,
        "eta_seconds": eta_seconds(tasks.values(), queue),
        "created_at": iso(group.created_at),
        "archive_url": archive_url(group) if progress.ended and succeeded else None,
        "tasks": [_member_body(group, member, tasks, view, queue) for member in group.members],
    }


def archive_url(group: Group) -> str:
    return f"/status/{group.id}/archive"


def _member_body(
    group: Group,
    member: Member,
    tasks: Mapping[str, Task],
    view: View,
    queue: QueueSnapshot | None,
) -> TaskBody | RefusedBody:
    task = tasks.get(member.task_id or "")
    if task is not None:
        return task_body(task, member.name, group.id, view, queue)
    return {
        "task_id": None,
        "group_id": group.id,
        "status": Status.FAILURE,
        "progress": 0,
        "eta_seconds": 0.0,
        "name": member.name,
        "url": None,
        "results": [],
        "operations": [],
        "created_at": iso(group.created_at),
        "started_at": None,
        "finished_at": iso(group.created_at),
        "error": member.error or LOST,
        "report": None,
    }


def with_legacy_status(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with PENDING in place of STARTED (LEGACY_STATUS)."""
    legacy = {**document}
    if "tasks" in legacy:
        legacy["tasks"] = [with_legacy_status(task) for task in legacy["tasks"]]
    if legacy["status"] == Status.STARTED:
        legacy["status"] = _PENDING
    return legacy


def iso(value: Any) -> str | None:
    """Return a time in RFC 3339: UTC, with milliseconds."""
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else None
