"""JSON Schemas of the types that endpoints declare, collected under components/schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openapi_pydantic import Reference
from openapi_pydantic import Schema as Model
from pydantic import TypeAdapter

from models.settings import Settings
from models.tasks.task import Status
from service.openapi.endpoint import BodySpec, Endpoint, Schema

_REF_TEMPLATE = "#/components/schemas/{model}"


class SchemaRegistry:
    """The pydantic schemas of all types that the endpoints declare."""

    def __init__(self, calls: Sequence[Endpoint], settings: Settings) -> None:
        types = [*dict.fromkeys(kind for call in calls for kind in _declared_types(call))]
        self._of, made = TypeAdapter.json_schemas(
            [(kind, "serialization", TypeAdapter(kind)) for kind in types],
            ref_template=_REF_TEMPLATE,
        )
        self.components: dict[str, Schema] = made.get("$defs", {})
        if settings.legacy_status:  # ``service.task_response`` then writes PENDING
            names = self.components[Status.__name__]["enum"]
            names[names.index(Status.STARTED)] = "PENDING"

    def schema(self, kind: Any) -> Model | Reference:
        """Return the schema of a declared type, usually a reference."""
        return to_model(self._of[kind, "serialization"])


def to_model(schema: Any) -> Model | Reference:
    """Return a schema as a model of openapi_pydantic."""
    if set(schema) == {"$ref"}:
        return Reference.model_validate(schema)
    return Model.model_validate(schema)


def _declared_types(call: Endpoint) -> list[Any]:
    types = [answer.body for answer in call.responses.values() if answer.body is not None]
    return types + _body_types(call.body)


def _body_types(body: BodySpec | None) -> list[Any]:
    return [kind for kind in body.content.values() if isinstance(kind, type)] if body else []
