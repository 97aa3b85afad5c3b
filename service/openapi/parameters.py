"""OpenAPI parameters of a route: path, query and headers."""

from __future__ import annotations

from typing import Any, Literal

from openapi_pydantic import Parameter
from pydantic import TypeAdapter

from models.settings import Settings
from service.openapi.endpoint import Endpoint
from service.openapi.schemas import to_model

PATH_DESCRIPTIONS = {
    "/tasks/{id}": "The task_id from the submission's response.",
    "/status/{id}": "The group_id from the submission's response; a task_id works too.",
    "/dashboard/api/tasks/{id}": "The task_id.",
    "/send_images/{id}": "The group_id from the response to a submission with email.",
    "/convert/{id}": "The submission_task_id from the response of POST /convert.",
    "/processed/{name}": "The name of a result, or of an upload: then its newest result.",
}
"""Descriptions of path parameters, by the path up to and including the parameter."""


def route_parameters(
    path: str, names: list[str], endpoint: Endpoint, settings: Settings
) -> list[Parameter]:
    """Return the parameters of the route ``path``; ``names`` are its path parameters."""
    found = [_path_parameter(path, name, endpoint) for name in names]
    found += _typed_dict_parameters(endpoint.query, "query", settings)
    return found + _typed_dict_parameters(endpoint.headers, "header", settings)


def _path_parameter(path: str, name: str, endpoint: Endpoint) -> Parameter:
    upto = path[: path.index("{" + name + "}") + len(name) + 2]
    description = endpoint.path.get(name) or PATH_DESCRIPTIONS.get(upto)
    if description is None:
        raise LookupError(
            f"{path}: describe {name} in the endpoint's path= or in PATH_DESCRIPTIONS"
        )
    text = {"type": "string", "minLength": 1}
    return Parameter.model_validate(
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": to_model(text),
        }
    )


def _typed_dict_parameters(
    kind: Any, place: Literal["query", "header"], settings: Settings
) -> list[Parameter]:
    if kind is None:
        return []
    schema = TypeAdapter(kind).json_schema()
    required = schema.get("required", ())
    found = []
    for name, each in schema["properties"].items():
        kept = {key: value for key, value in each.items() if key not in {"title", "description"}}
        description = each.get("description", "").format_map(_SettingValues(settings))
        found.append(
            Parameter.model_validate(
                {
                    "name": name,
                    "in": place,
                    "required": name in required,
                    "description": description or None,
                    "schema": to_model(kept),
                }
            )
        )
    return found


class _SettingValues(dict[str, Any]):
    """Setting values for placeholders in descriptions, e.g. ``{MAX_WAIT}``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, name: str) -> str:
        value = getattr(self._settings, name.lower())
        return f"{value:g}" if isinstance(value, float) else str(value)
