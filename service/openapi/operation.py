"""One operation of the OpenAPI document: parameters, request body, responses and links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from models.error_members import meaning
from models.errors import AppError, InternalError
from models.settings import Settings
from models.tasks.schemas import GroupBody, TaskBody
from service.auth.permissions import Permission
from service.http.errors import STATUS
from service.openapi.endpoint import (
    BYTES,
    HTML,
    JSON,
    BodySpec,
    Endpoint,
    ResponseSpec,
    Schema,
    parameter,
)
from service.openapi.problem_schema import PROBLEM_JSON
from service.openapi.security import auth_errors, security_requirements
from service.schemas import LegacySubmissionBody

RESPONSE_HEADERS: dict[str, str] = {
    "Location": "The task, group or image that the response is about.",
    "Content-Location": "The task that made the image.",
    "ETag": "Identifies these exact bytes; send it back in If-None-Match.",
    "Last-Modified": "When the image was made.",
    "Cache-Control": "How long the response may be cached.",
    "Content-Disposition": "The file name for saving the response.",
    "Content-Range": "The byte range sent, and the total size.",
    "Accept-Ranges": "Always bytes.",
    "Retry-After": "Seconds to wait before the next try.",
    "X-Request-ID": "The id of this request in the log.",
    "X-Darkroom-Skipped-Operations": "Skipped operations, counted from 1.",
    "X-Darkroom-Skipped-Images": "Skipped images, counted from 1.",
}
"""Descriptions of response headers by name."""


REQUEST_HEADERS: dict[str, Schema] = {
    "If-Match": parameter("An ETag: act only if the result still matches."),
    "If-Modified-Since": parameter("A date: answer 304 unless the result is newer."),
    "If-None-Match": parameter("An ETag: answer 304 if it still matches."),
    "If-Range": parameter("An ETag: send the range only if it still matches."),
    "If-Unmodified-Since": parameter("A date: answer 412 if the result is newer."),
    "Last-Event-ID": parameter("Id of the last event received; browsers send it on reconnect."),
    "Prefer": parameter(
        "wait=SECONDS, the same as the query parameter wait (RFC 7240).", examples=["wait=30"]
    ),
    "Range": parameter("One byte range.", examples=["bytes=0-1023"]),
}
"""Descriptions and schemas of request headers by name; none is required."""


Schemas = Mapping[Any, Schema]
"""The schema of each declared type, usually a reference to a component."""

PATH_DESCRIPTIONS = {
    "/tasks/{id}": "The task_id from the submission's response.",
    "/status/{id}": "The group_id from the submission's response; a task_id works too.",
    "/dashboard/api/tasks/{id}": "The task_id.",
    "/dashboard/api/tasks/{id}/original": "The task_id.",
    "/dashboard/api/webhooks/{id}": "The webhook's id, from the task's webhooks.",
    "/dashboard/api/workers/{name}": "The worker's name, from GET /dashboard/api/workers.",
    "/send_images/{id}": "The group_id from the response to a submission with email.",
    "/presets/{name}": "The name of the preset: 1 to 40 of a-z, 0-9 and -, not beginning with -.",
    "/convert/{id}": "The submission_task_id from the response of POST /convert.",
    "/processed/{name}": "The name of a result, or of an upload: then its newest result.",
}
"""Descriptions of path parameters, by the path up to and including the parameter."""

_GROUP_CALLS = ("get_status_id", "get_status_id_archive", "get_status_id_events")
_GROUP_LINKS = dict.fromkeys([*_GROUP_CALLS, "post_send_images_id"], "/group_id")
_TASK_CALLS = (
    "get_tasks_id",
    "get_tasks_id_events",
    "get_dashboard_api_tasks_id",
    "delete_tasks_id",
    "post_tasks_id_retry",
)
LINKS: dict[Any, dict[str, str]] = {
    TaskBody: _GROUP_LINKS | dict.fromkeys(_TASK_CALLS, "/task_id"),
    GroupBody: _GROUP_LINKS | dict.fromkeys(_TASK_CALLS, "/tasks/0/task_id"),
    LegacySubmissionBody: {"get_convert_id": "/submission_task_id"},
}
"""By response type: the operations that take one of its ids, and the JSON pointer to that id."""


class Route(NamedTuple):
    """One method at one path."""

    method: str
    path: str
    handler: Callable[..., Any]
    permission: Permission


def build_operation(
    route: Route, endpoint: Endpoint, schemas: Schemas, settings: Settings
) -> Schema:
    """Return the operation of a route.

    Raises:
        LookupError: a path parameter has no description.
    """
    added_errors = auth_errors(route.permission, settings)
    samples = [each.replace("{url}", settings.http.base_url) for each in endpoint.examples]
    operation: Schema = {
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "operationId": _operation_id(route),
        "parameters": [
            *_path_parameters(route),
            *_query_or_headers("query", endpoint.query, settings),
            *_query_or_headers(
                "header", {name: REQUEST_HEADERS[name] for name in endpoint.headers}, settings
            ),
        ],
        "requestBody": _request_body(endpoint.body, schemas, settings) if endpoint.body else None,
        "responses": _responses(endpoint, [*endpoint.errors, *added_errors], schemas),
        "security": security_requirements(route.permission, settings),
        "x-codeSamples": [{"lang": "Shell", "label": "curl", "source": each} for each in samples],
    }
    return {name: value for name, value in operation.items() if value}


def _operation_id(route: Route) -> str:
    """Return the operationId of a route: stable, since it is made of method and path."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", route.path).strip("_") or "root"
    slash = "_slash" if route.path.endswith("/") and route.path != "/" else ""
    return f"{route.method.lower()}_{words}{slash}"


def _path_parameters(route: Route) -> list[Schema]:
    found = []
    for match in re.finditer(r"{(\w+)}", route.path):
        name, upto = match[1], route.path[: match.end()]
        description = PATH_DESCRIPTIONS.get(upto)
        if description is None:
            raise LookupError(f"{route.path}: describe {name} in PATH_DESCRIPTIONS")
        about = {"name": name, "in": "path", "required": True, "description": description}
        found.append({**about, "schema": {"type": "string", "minLength": 1}})
    return found


def _query_or_headers(
    place: str, parameters: Mapping[str, Schema], settings: Settings
) -> list[Schema]:
    values = {
        "LINK_TTL": settings.auth.link_ttl,
        "LINK_TTL_MAX": settings.auth.link_ttl_max,
        "MAX_WAIT": f"{settings.http.max_wait:g}",
    }
    return [
        {
            "name": name,
            "in": place,
            "required": each.get("required", False),
            "description": each["description"].format(**values),
            "schema": each["schema"],
        }
        for name, each in parameters.items()
    ]


def _request_body(body: BodySpec, schemas: Schemas, settings: Settings) -> Schema:
    content = {}
    for media, kind in body.content.items():
        content[media] = {
            "schema": schemas[kind] if isinstance(kind, type) else kind(settings.uploads)
        }
        if body.example is not None:
            content[media]["example"] = body.example
    return {"content": content, "required": body.required}


def _responses(
    endpoint: Endpoint, errors: Iterable[type[AppError]], schemas: Schemas
) -> dict[str, Schema]:
    """Return all responses by status; any endpoint may answer 500."""
    found = {str(status): _response(each, schemas) for status, each in endpoint.responses.items()}
    by_status: dict[str, list[type[AppError]]] = {}
    for kind in dict.fromkeys([*errors, InternalError]):
        by_status.setdefault(str(STATUS[kind]), []).append(kind)
    for status, kinds in by_status.items():
        retry = ("Retry-After",) if status in {"429", "503"} else ()
        # A status may be both declared and an error, as 503 of GET /readyz.
        response = found.setdefault(status, {"description": "", "headers": _headers(retry)})
        text = "\n".join(f"- `{kind.code}`: {meaning(kind)}" for kind in kinds)
        response["description"] = f"{response['description']}\n{text}".lstrip()
        # Beside $ref, which OpenAPI 3.1 allows, and not under allOf: of that, generators of clients
        # make a class for each of a thousand responses.
        problem = {
            "$ref": "#/components/schemas/Problem",
            "properties": {"code": {"enum": [kind.code for kind in kinds]}},
        }
        content = response.setdefault("content", {})
        content[PROBLEM_JSON] = {"schema": problem}
        if endpoint.html_errors:
            content[HTML] = {}
    return dict(sorted(found.items()))


def _response(spec: ResponseSpec, schemas: Schemas) -> Schema:
    response: Schema = {"description": spec.description, "headers": _headers(spec.headers)}
    content: Schema = {media: {} for media in spec.media}
    if any(media.startswith(("image/", "application/")) for media in spec.media):
        # What generators of clients read as bytes: they drop answers of other types.
        content[BYTES] = {"schema": {"type": "string", "format": "binary"}}
    if spec.body is not None:
        content[JSON] = {"schema": schemas[spec.body]}
    if content:
        response["content"] = content
    if links := _links(spec.body):
        response["links"] = links
    return response


def _headers(names: Iterable[str]) -> Schema:
    return {
        name: {"description": RESPONSE_HEADERS[name], "schema": {"type": "string"}}
        for name in (*names, "X-Request-ID")
    }


def _links(body: Any) -> Schema:
    """Return the links of a response type; for a union those that all its members share."""
    first, *others = [LINKS.get(kind, {}) for kind in get_args(body) or (body,)]
    return {
        name: {"operationId": name, "parameters": {"id": f"$response.body#{pointer}"}}
        for name, pointer in first.items()
        if all(other.get(name) == pointer for other in others)
    }
