"""JSON Schemas of the upload forms, from the operation specs and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from models.images.inspect import ACCEPTED_FORMATS, RESULT_FORMATS, InputFormat
from models.images.metadata import METADATA, MetadataChoice
from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import list_form
from models.operations.spec import Frames
from models.operations.watermark import FIELD
from models.outbound.url import MAX_URL_CHARACTERS
from models.outbox.email_address import MAX_CHARACTERS
from models.presets import NAME_PATTERN
from models.settings.uploads import UploadSettings
from service.openapi.endpoint import Schema
from service.openapi.picture_fields import WATERMARK_FIELD, image_field, picture_fields

_AUTO = "auto: avif or webp if the request's Accept names it, else the format of the image."

_PRESET = {
    "type": "string",
    "pattern": NAME_PATTERN,
    "description": "Name of a preset of GET /presets, in place of operations: its operations, and "
    "each of its options that is not sent beside it.",
}

PICTURE_REQUIRED = {"if": {"not": {"required": ["image_url"]}}, "then": {"required": ["image"]}}
"""Of a submission: one of both. Not as anyOf, of which generators of clients make a body without
fields."""


def operation_form(op: str, settings: UploadSettings) -> Schema:
    """Return the form schema of ``POST /<op>``."""
    own, required = parameter_schemas(OPERATIONS[op])
    common = _common_fields(settings)
    if "format" not in own and (network := own.get("quality")):
        # upscale: its own values name a network, all others mean the file
        either = [{key: network[key] for key in ("type", "enum")}, *common["quality"]["anyOf"]]
        said = f"{network['description']} Or, beside format: {common['quality']['description']}"
        own["quality"] = {"anyOf": either, "description": said}
        if "model" in own:  # a client that sends defaults would send it beside quality: refused
            default = own["model"].pop("default")
            own["model"]["description"] += f" Without both, {default}."
    if "format" in own:
        own["format"] = {**own["format"], "enum": [*own["format"]["enum"], "auto"]}
        own["format"]["description"] += f" {_AUTO}"
    conditions = {}
    if own.pop("picture", None) is not None:  # it says which file; here there is one
        own[FIELD] = WATERMARK_FIELD
        conditions = {
            "allOf": [{"if": {"not": {"required": [FIELD]}}, "then": {"required": ["text"]}}]
        }
    # The operation's own fields replace common ones.
    fields = {**picture_fields(settings), **own, **common, **own}
    return {**_form(fields, required), **PICTURE_REQUIRED, **conditions}


def pipeline_form(settings: UploadSettings) -> Schema:
    """Return the form schema of ``POST /process``."""
    fields = {
        **picture_fields(settings),
        "operations": _operations_field(settings),
        "preset": _PRESET,
        FIELD: WATERMARK_FIELD,
        **_common_fields(settings),
    }
    operations = {"if": {"not": {"required": ["preset"]}}, "then": {"required": ["operations"]}}
    return {**_form(fields, []), **PICTURE_REQUIRED, "allOf": [operations]}


def convert_form(settings: UploadSettings) -> Schema:
    """Return the form schema of ``POST /convert``: Darkroom's, or the older thumbnail service's."""
    thumbnail, _ = parameter_schemas(OPERATIONS["thumbnail"])
    kinds: tuple[InputFormat, ...] = (*ACCEPTED_FORMATS, "gif")
    ours = operation_form("convert", settings)
    del ours["properties"]["image"]["minItems"]  # an empty field counts as not sent
    file = image_field(settings, kinds)
    file["description"] += " Makes a thumbnail, as the older thumbnail service did; takes only "
    file["description"] += f"{', '.join(thumbnail)}, and no image beside it."
    return {
        **ours,
        "properties": {**ours["properties"], "file": file, **thumbnail},
        "required": [],
        "if": {"not": {"required": ["file"]}},
        "then": {"required": ["format"], **PICTURE_REQUIRED},
    }


def grayscale_form(settings: UploadSettings) -> Schema:
    """Return the form schema of ``POST /convert/``, that of the older grayscale converter."""
    return _form({"uploaded_file": image_field(settings, ACCEPTED_FORMATS)}, ["uploaded_file"])


def parameter_schemas(spec: type[Operation]) -> tuple[dict[str, Schema], list[str]]:
    """Return the schemas of an operation's parameters, and the names of the required ones."""
    schema = spec.model_json_schema()
    fields = {name: _without_null(each) for name, each in schema.get("properties", {}).items()}
    return fields, schema.get("required", [])


def _without_null(schema: Schema) -> Schema:
    """Return the schema without null: a form leaves a field out instead."""
    if "anyOf" not in schema:
        return schema
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
    return {**kinds[0], **rest} if len(kinds) == 1 else {"anyOf": kinds, **rest}


def _form(fields: dict[str, Schema], required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def _operations_field(settings: UploadSettings) -> Schema:
    names = "|".join(OPERATIONS)
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": settings.max_operations,
        "description": "Operations, applied in order; the image is decoded once and encoded once. "
        "Send the field several times, or once with a JSON list. After split, each part is "
        "processed.",
        "examples": [[list_form(spec)] for spec in OPERATIONS.values()],
        "items": {
            "anyOf": [
                {
                    "type": "string",
                    "pattern": f"^({names})(=[^=]+)?$",
                    "description": "op or op=value; GET /operations says which parameter it sets.",
                },
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {
                        "type": "array",
                        "items": {
                            "anyOf": [_operation_object(spec) for spec in OPERATIONS.values()]
                        },
                    },
                },
            ]
        },
    }


def _operation_object(spec: type[Operation]) -> Schema:
    fields, required = parameter_schemas(spec)
    return {**_form({"op": {"const": spec.op}, **fields}, ["op", *required]), "title": spec.op}


def _common_fields(settings: UploadSettings) -> dict[str, Schema]:
    return {
        "format": {
            "type": "string",
            "enum": [*RESULT_FORMATS, "auto", ""],
            "description": "Format of the results; empty or missing: that of the image, or PNG if "
            "it is none of these or a GIF (of HEIC without alpha JPEG). gif needs frames=all. "
            f"{_AUTO}",
        },
        "quality": {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 100},
                {"type": "string", "enum": ["lossless", ""]},
            ],
            "description": "Quality of results in JPEG, WebP or AVIF, or lossless for WebP, as "
            "convert takes it.",
        },
        "progressive": {
            "type": "string",
            "enum": ["0", "1", ""],
            "description": "1: results in JPEG are progressive, as convert makes them.",
        },
        "max_bytes": {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "const": ""}],
            "description": "Most bytes of each result in JPEG, WebP or AVIF: the highest quality "
            "that fits is searched for.",
        },
        "frames": {
            "type": "string",
            "enum": [*get_args(Frames), ""],
            "description": "all: an animated GIF, WebP or PNG keeps its frames, in its own format "
            "or in the WebP, GIF or PNG that format says; empty or missing: the first of them.",
        },
        "email": {
            "anyOf": [
                {"type": "string", "format": "email", "maxLength": MAX_CHARACTERS},
                {"type": "string", "const": ""},
            ],
            "description": "Address to which /send_images/{id} may send the results.",
        },
        "callback_url": {
            "type": "string",
            "maxLength": MAX_URL_CHARACTERS,
            "description": "A public http or https URL. When the task or the whole group has "
            "ended, it gets a signed POST with the document of the response (docs/webhooks.md).",
        },
        "deliver_url": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": settings.max_batch_results,
            "description": "Public http or https URLs to which the results are PUT, such as "
            "presigned ones of S3, GCS, Azure or MinIO: one for each result, in order, or a single "
            f"one with {{name}}; of at most {MAX_URL_CHARACTERS} characters (docs/delivery.md).",
        },
        "report": {
            "type": "string",
            "enum": ["0", "1", ""],
            "description": "1: the task contains measurements of the result.",
        },
        "metadata": {
            "type": "string",
            "enum": [*get_args(MetadataChoice), ""],
            "description": METADATA,
        },
    }
