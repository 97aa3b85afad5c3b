"""Schemas of submissions that are no multipart form: JSON, and a picture with fields in the query.

Both are made of the schema of the form, so that a field is described once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from models.operations.watermark import FIELD
from models.settings.uploads import UploadSettings
from service.openapi.endpoint import BYTES, FORM, JSON, URLENCODED, BodySpec, Schema
from service.openapi.picture_fields import image_field

FormSchema = Callable[[UploadSettings], Schema]

_FILENAME = {
    "type": "string",
    "description": "Name of the picture, by which results are named; by default image.",
    "examples": ["cat.png"],
}


def submission_body(form: FormSchema, fields: FormSchema | None = None) -> BodySpec:
    """Return the bodies that POST takes: ``form``, the same as JSON or urlencoded, or a picture.

    ``fields``: the form that JSON spells, if it is another.
    """
    text = fields or form
    texts = {JSON: partial(_json_form, text), URLENCODED: partial(_urlencoded, text)}
    return BodySpec({FORM: form, **texts, BYTES: _picture})


PICTURE_QUERY = (
    "The picture may also be the whole body, with its own Content-Type: then the other fields are "
    "query parameters, as of PUT."
)


def query_fields(form: FormSchema) -> dict[str, Schema]:
    """Return the query parameters of PUT: the fields of ``form`` without the pictures."""
    schema = form(UploadSettings.model_construct())
    # Beside the picture in the body, a URL that is none fails alone: the request is accepted.
    urls = {**schema["properties"]["image_url"], "items": {"type": "string"}}
    fields = {**schema["properties"], "image_url": urls, "filename": _FILENAME}
    return {
        name: _parameter(field, name in schema["required"])
        for name, field in fields.items()
        if name not in {"image", FIELD}  # which only a form or JSON can bring
    }


def _urlencoded(form: FormSchema, settings: UploadSettings) -> Schema:
    schema = form(settings)
    properties = {
        name: each for name, each in schema["properties"].items() if name not in {"image", FIELD}
    }
    rest = {key: value for key, value in schema.items() if key not in {"if", "then"}}
    return {**rest, "properties": properties, "required": ["image_url", *schema["required"]]}


def _parameter(field: Schema, required: bool) -> Schema:
    rest = {key: value for key, value in field.items() if key not in {"description", "maxItems"}}
    # Descriptions of parameters are templates.
    description = field["description"].replace("{", "{{").replace("}", "}}")
    return {"description": description, "required": required, "schema": rest}


def _picture(settings: UploadSettings) -> Schema:
    field = image_field(settings, settings.accepted_formats)
    field["description"] += " Its own Content-Type, such as image/png, is taken as well."
    return field


PICTURE_BODY = BodySpec({BYTES: _picture})
"""The body that PUT takes."""


def _json_form(form: FormSchema, settings: UploadSettings) -> Schema:
    schema = form(settings)
    described = schema["properties"]["image"]
    one: dict[str, Any] = {
        "type": "string",
        "format": "byte",
        "contentEncoding": "base64",
        "description": "A picture as base64, also as a data URL (data:image/png;base64,...).",
    }
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": described["maxItems"]}
    filename = {"anyOf": [_FILENAME, {"type": "array", "items": _FILENAME}]}
    urls = schema["properties"]["image_url"]
    one_url = {**urls["items"], "description": "One URL."}
    properties = {
        **schema["properties"],
        "image": {"anyOf": [one, several]},
        "image_url": {"anyOf": [one_url, urls], "description": urls["description"]},
        "filename": {**filename, "description": "Names of the pictures, in their order."},
    }
    if FIELD in properties:
        words = properties[FIELD]["description"].replace("file", "picture as base64", 1)
        properties[FIELD] = {**one, "description": words}
    return {**schema, "properties": properties}
