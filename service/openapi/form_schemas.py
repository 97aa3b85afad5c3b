"""Schemas of the forms that carry pictures, from the specs of the operations and the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.images.inspect import ACCEPTED, FORMAT_OF, Kind
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import listed
from models.outbox.email_address import LONGEST
from models.settings import Settings
from service.openapi.endpoint import Schema
from service.openapi.limits import size

Make = Callable[[Settings], Schema]


def operation(op: str) -> Make:
    """Return what makes the schema of the form of ``POST /<op>``."""
    spec = OPERATIONS[op]

    def make(settings: Settings) -> Schema:
        own, required = parameters(spec)
        # The operation's own ``format`` stands in place of the one that all take.
        fields = {"image": _pictures(settings), **own, **_common(settings), **own}
        return _form(fields, ["image", *required])

    return make


def pipeline(settings: Settings) -> Schema:
    """Return the schema of the form of ``POST /process``."""
    fields = {"image": _pictures(settings), "operations": _list(settings), **_common(settings)}
    return _form(fields, ["image", "operations"])


def conversion(settings: Settings) -> Schema:
    """Return the schema of ``POST /convert``: ours, or the older thumbnail service's."""
    thumbnail, _ = parameters(OPERATIONS["thumbnail"])
    kinds: tuple[Kind, ...] = (*ACCEPTED, "gif")
    ours = operation("convert")(settings)
    del ours["properties"]["image"]["minItems"]  # none at all is as good as not to send the field
    file = _picture(settings, kinds)
    file["description"] += " Makes a thumbnail, as the older thumbnail service did; it takes only "
    file["description"] += f"{' and '.join(thumbnail)}, and no image beside it."
    return {
        **ours,
        "properties": {**ours["properties"], "file": file, **thumbnail},
        "required": [],
        "anyOf": [{"required": ["image", "format"]}, {"required": ["file"]}],
    }


def single(name: str) -> Make:
    """Return what makes the schema of a form of one picture in the field ``name``."""

    def make(settings: Settings) -> Schema:
        return _form({name: _picture(settings, ACCEPTED)}, [name])

    return make


def parameters(spec: type[Operation]) -> tuple[dict[str, Schema], list[str]]:
    """Return the schema of each parameter of an operation, and which must be given."""
    schema = spec.model_json_schema()
    fields = {name: _given(each) for name, each in schema.get("properties", {}).items()}
    return fields, schema.get("required", [])


def _given(schema: Schema) -> Schema:
    """Return the schema without null: what is not wanted is left out of a form."""
    if "anyOf" not in schema:
        return schema
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    (kind,) = [each for each in schema["anyOf"] if each.get("type") != "null"]
    return {**kind, **rest}


def _form(fields: dict[str, Schema], required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def _picture(settings: Settings, kinds: Sequence[Kind]) -> Schema:
    return {
        "type": "string",
        "format": "binary",
        "contentMediaType": "application/octet-stream",
        "description": f"A {' or '.join(kind.upper() for kind in kinds)} file, judged by its bytes;"
        f" at most {size(settings.max_upload_bytes)} (MAX_UPLOAD_BYTES) and "
        f"{settings.max_pixels:,} pixels (MAX_PIXELS).",
    }


def _pictures(settings: Settings) -> Schema:
    one = _picture(settings, ACCEPTED)
    return {
        "type": "array",
        "items": {key: value for key, value in one.items() if key != "description"},
        "minItems": 1,
        "maxItems": settings.max_batch,
        "description": f"One or more. {one['description']} Together at most "
        f"{size(settings.max_batch_bytes)} (MAX_BATCH_BYTES). The field may also be called images, "
        "images[], file or files.",
    }


def _list(settings: Settings) -> Schema:
    names = "|".join(OPERATIONS)
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": settings.max_operations,
        "description": "Done from left to right, decoded once and encoded once: the field several "
        "times, or once with a JSON list. After split, everything is done to each part.",
        "examples": [[listed(spec)] for spec in OPERATIONS.values()],
        "items": {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": f"^({names})(=[^=]+)?$",
                    "description": "op or op=value; GET /operations tells which parameter it sets.",
                },
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "type": "array",
                        "items": {"anyOf": [_item(spec) for spec in OPERATIONS.values()]},
                    },
                },
            ]
        },
    }


def _item(spec: type[Operation]) -> Schema:
    fields, required = parameters(spec)
    return {**_form({"op": {"const": spec.op}, **fields}, ["op", *required]), "title": spec.op}


def _common(settings: Settings) -> dict[str, Schema]:
    return {
        "format": {
            "type": "string",
            "enum": [*FORMAT_OF, ""],
            "description": "Format of the results; without it, or empty, as the picture came.",
        },
        "email": {
            "type": "string",
            "anyOf": [{"format": "email"}, {"const": ""}],
            "maxLength": LONGEST,
            "description": "Where /send_images/{id} may send the results.",
        },
        "callback_url": {
            "type": "string",
            "maxLength": settings.webhook_url_length,
            "description": "Called when the task, or all of the group, has ended: a POST with the "
            "document of the answer, signed (docs/webhooks.md). Public http or https.",
        },
        "report": {
            "type": "string",
            "enum": ["0", "1", ""],
            "description": "1: the task carries what was measured of the result.",
        },
    }
