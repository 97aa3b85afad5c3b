"""Parameters of a route: in its path, its query and its headers."""

from __future__ import annotations

from typing import Any, Literal

from openapi_pydantic import Parameter
from pydantic import TypeAdapter

from models.settings import Settings
from service.openapi.endpoint import Call
from service.openapi.schemas import model

PATH = {
    "/tasks/{id}": "The task_id that a submission answered with.",
    "/status/{id}": "The group_id that a submission answered with; a task_id is one, too.",
    "/dashboard/api/tasks/{id}": "The task_id.",
    "/send_images/{id}": "The group_id that a submission with an email answered with.",
    "/convert/{id}": "The submission_task_id that POST /convert answered with.",
    "/processed/{name}": "A result's name, or an upload's name, which means its newest result.",
}
"""What stands in a path, by the beginning of the path up to there."""


def parameters(path: str, names: list[str], said: Call, settings: Settings) -> list[Parameter]:
    """Return the parameters of the route at ``path``, which has ``names`` in it."""
    found = [_in_path(path, name, said) for name in names]
    found += _declared(said.query, "query", settings)
    return found + _declared(said.headers, "header", settings)


def _in_path(path: str, name: str, said: Call) -> Parameter:
    upto = path[: path.index("{" + name + "}") + len(name) + 2]
    description = said.path.get(name) or PATH.get(upto)
    if description is None:
        raise LookupError(f"{path}: say what {name} is, in the declaration's path or in PATH")
    text = {"type": "string", "minLength": 1}
    return Parameter.model_validate(
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": model(text),
        }
    )


def _declared(kind: Any, place: Literal["query", "header"], settings: Settings) -> list[Parameter]:
    if kind is None:
        return []
    schema = TypeAdapter(kind).json_schema()
    required = schema.get("required", ())
    found = []
    for name, each in schema["properties"].items():
        kept = {key: value for key, value in each.items() if key not in {"title", "description"}}
        description = each.get("description", "").format_map(_Limits(settings))
        found.append(
            Parameter.model_validate(
                {
                    "name": name,
                    "in": place,
                    "required": name in required,
                    "description": description or None,
                    "schema": model(kept),
                }
            )
        )
    return found


class _Limits(dict[str, Any]):
    """Values of settings for the text of a description, e.g. ``{MAX_WAIT}``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, name: str) -> str:
        value = getattr(self._settings, name.lower())
        return f"{value:g}" if isinstance(value, float) else str(value)
