"""OpenAPI links: the routes that take an id from a response."""

from __future__ import annotations

import re
from typing import Any, get_args

from openapi_pydantic import Link

from models.tasks.schemas import GroupBody, TaskBody
from service.schemas import LegacySubmissionBody


def _group_routes(pointer: str) -> dict[tuple[str, str], str]:
    routes = [
        ("GET", "/status/{id}"),
        ("GET", "/status/{id}/archive"),
        ("GET", "/status/{id}/events"),
        ("POST", "/send_images/{id}"),
    ]
    return dict.fromkeys(routes, pointer)


def _task_routes(pointer: str) -> dict[tuple[str, str], str]:
    routes = [
        ("GET", "/tasks/{id}"),
        ("GET", "/tasks/{id}/events"),
        ("GET", "/dashboard/api/tasks/{id}"),
        ("DELETE", "/tasks/{id}"),
        ("POST", "/tasks/{id}/retry"),
    ]
    return dict.fromkeys(routes, pointer)


LINKS: dict[Any, dict[tuple[str, str], str]] = {
    TaskBody: {**_group_routes("/group_id"), **_task_routes("/task_id")},
    GroupBody: {**_group_routes("/group_id"), **_task_routes("/tasks/0/task_id")},
    LegacySubmissionBody: {("GET", "/convert/{id}"): "/submission_task_id"},
}
"""By response type: the routes that take one of its ids, and the JSON pointer to that id."""


def operation_id(method: str, path: str) -> str:
    """Return the operationId of a route: stable, since it is made of method and path."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_") or "root"
    slash = "_slash" if path.endswith("/") and path != "/" else ""
    return f"{method.lower()}_{words}{slash}"


def response_links(body: Any) -> dict[str, Link]:
    """Return the links of a response type; for a union those that all its members share."""
    first, *others = [LINKS.get(kind, {}) for kind in get_args(body) or (body,)]
    found = {}
    for (method, path), pointer in first.items():
        if all(other.get((method, path)) == pointer for other in others):
            name = operation_id(method, path)
            parameters = {"id": f"$response.body#{pointer}"}
            found[name] = Link(operationId=name, parameters=parameters)
    return found
