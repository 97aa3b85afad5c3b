"""What the API says of a task: the same body wherever a task is answered."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from models.errors import from_document
from models.task import Status, Task, Upload
from service.errors import answer


def upload_of(task: Task, name: str | None) -> Upload:
    """Return the task's upload of that name, or its first."""
    return next((u for u in task.uploads if u.name == name), task.uploads[0])


def result_url(name: str) -> str:
    return f"/processed/{quote(name)}"


def body(task: Task, name: str | None = None) -> dict[str, Any]:
    """Return the JSON body for a task, with the names of its upload ``name`` (else the first)."""
    upload = upload_of(task, name)
    results = [
        {
            "name": result_name,
            "url": result_url(result_name),
            "width": result.width,
            "height": result.height,
            "format": result.format,
            "bytes": result.bytes,
            "sha256": result.sha256,
        }
        for result_name, result in zip(upload.results, task.results, strict=False)
    ]
    return {
        "task_id": task.id,
        "group_id": task.id,
        "status": task.status,
        "progress": task.progress,
        "name": upload.name,
        "url": results[0]["url"] if results else None,
        "results": results,
        "operations": task.operations,
        "created_at": _time(task.created_at),
        "started_at": _time(task.started_at),
        "finished_at": _time(task.finished_at),
        "error": task.error,
    }


def location(task: Task, name: str | None) -> str:
    """Return the task's path; a second name for the same bytes is kept in its query."""
    upload = upload_of(task, name)
    query = "" if upload is task.uploads[0] else "?" + urlencode({"name": upload.name})
    return f"/tasks/{task.id}{query}"


def respond(task: Task, *, name: str | None, status: int, redirect: bool) -> web.Response:
    """Answer for a task: its body, or with ``redirect`` the way to its result once there is one.

    A client that wants the picture gets a failed task's error as an error, not as a picture.
    """
    where = location(task, name)
    if redirect and task.status is Status.SUCCESS:
        target = result_url(upload_of(task, name).results[0])
        return web.Response(status=303, headers={"Location": target})
    if redirect and task.error is not None:
        return answer(from_document(task.error))
    return web.Response(
        status=status,
        text=json.dumps(body(task, name)) + "\n",
        content_type="application/json",
        headers={"Location": where, "Cache-Control": "no-store"},
    )


def _time(value: Any) -> str | None:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else None
