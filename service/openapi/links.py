"""Where an answer leads: the calls that take what it says, as links of OpenAPI."""

from __future__ import annotations

import re
from typing import Any, get_args

from openapi_pydantic import Link

from models.tasks.schemas import GroupBody, TaskBody
from service.schemas import SubmissionBody


def _group(pointer: str) -> dict[tuple[str, str], str]:
    calls = [
        ("GET", "/status/{id}"),
        ("GET", "/status/{id}/archive"),
        ("GET", "/status/{id}/events"),
        ("POST", "/send_images/{id}"),
    ]
    return dict.fromkeys(calls, pointer)


def _task(pointer: str) -> dict[tuple[str, str], str]:
    calls = [
        ("GET", "/tasks/{id}"),
        ("GET", "/tasks/{id}/events"),
        ("GET", "/dashboard/api/tasks/{id}"),
        ("DELETE", "/tasks/{id}"),
        ("POST", "/tasks/{id}/retry"),
    ]
    return dict.fromkeys(calls, pointer)


LINKS: dict[Any, dict[tuple[str, str], str]] = {
    TaskBody: {**_group("/group_id"), **_task("/task_id")},
    GroupBody: {**_group("/group_id"), **_task("/tasks/0/task_id")},
    SubmissionBody: {("GET", "/convert/{id}"): "/submission_task_id"},
}
"""By the type of a body: the routes that take an id it always has, and where in it that is."""


def operation_id(method: str, path: str) -> str:
    """Return a name for a route, from its method and path: both are there to stay."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_") or "root"
    slash = "_slash" if path.endswith("/") and path != "/" else ""
    return f"{method.lower()}_{words}{slash}"


def links(body: Any) -> dict[str, Link]:
    """Return where an answer leads that has a body of that type, or of any of a union."""
    first, *others = [LINKS.get(kind, {}) for kind in get_args(body) or (body,)]
    found = {}
    for (method, path), pointer in first.items():
        if all(other.get((method, path)) == pointer for other in others):
            name = operation_id(method, path)
            parameters = {"id": f"$response.body#{pointer}"}
            found[name] = Link(operationId=name, parameters=parameters)
    return found
