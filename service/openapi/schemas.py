"""Schemas of the types that handlers declare, each named type once, below components/schemas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openapi_pydantic import Reference
from openapi_pydantic import Schema as Model
from pydantic import TypeAdapter

from models.settings import Settings
from models.tasks.task import Status
from service.openapi.endpoint import Body, Call, Schema

_AT = "#/components/schemas/{model}"


class Schemas:
    """What pydantic makes of the types of several declarations together."""

    def __init__(self, calls: Sequence[Call], settings: Settings) -> None:
        types = [*dict.fromkeys(kind for call in calls for kind in _types(call))]
        self._of, made = TypeAdapter.json_schemas(
            [(kind, "serialization", TypeAdapter(kind)) for kind in types], ref_template=_AT
        )
        self.components: dict[str, Schema] = made.get("$defs", {})
        if settings.legacy_status:  # as ``service.task_response`` says it then
            names = self.components[Status.__name__]["enum"]
            names[names.index(Status.STARTED)] = "PENDING"

    def of(self, kind: Any) -> Model | Reference:
        """Return the schema of a declared type: most are a reference."""
        return model(self._of[kind, "serialization"])


def model(schema: Any) -> Model | Reference:
    """Return a schema as the library holds it."""
    if set(schema) == {"$ref"}:
        return Reference.model_validate(schema)
    return Model.model_validate(schema)


def _types(call: Call) -> list[Any]:
    types = [answer.body for answer in call.answers.values() if answer.body is not None]
    return types + _bodies(call.body)


def _bodies(body: Body | None) -> list[Any]:
    return [kind for kind in body.content.values() if isinstance(kind, type)] if body else []
