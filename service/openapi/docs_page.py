"""Prepare the OpenAPI document for the template of /docs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from service.openapi.endpoint import FORM, JSON
from service.openapi.problem_schema import PROBLEM_JSON
from service.openapi.schema_text import describe, enum_values, ref_name, ref_names

_PLACE_ORDER = ("path", "body", "field", "query", "header")


@dataclass(frozen=True)
class FieldDoc:
    """A parameter or form field; ``place``: path, query, header, field or body.

    ``control``: the input on the page: file, choice, lines or text.
    """

    name: str
    place: str
    required: bool
    type_text: str
    default: str
    description: str
    control: str
    choices: list[str]
    multiple: bool
    example: str


@dataclass(frozen=True)
class ResponseDoc:
    """One status of a response; ``codes``: its error codes."""

    status: int
    phrase: str
    description: str
    media_types: list[str]
    schemas: list[str]
    codes: list[str]
    headers: list[str]


@dataclass(frozen=True)
class EndpointDoc:
    """One method at one path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    samples: list[str]
    fields: list[FieldDoc]
    responses: list[ResponseDoc]
    media_type: str
    """Media type of the request body; empty: no body."""

    @property
    def successes(self) -> list[ResponseDoc]:
        return [reply for reply in self.responses if not reply.codes]

    @property
    def errors(self) -> list[ResponseDoc]:
        return [reply for reply in self.responses if reply.codes]


@dataclass(frozen=True)
class TagSection:
    """The endpoints of one tag."""

    name: str
    description: str
    endpoints: list[EndpointDoc]

    @property
    def id(self) -> str:
        return self.name.lower().replace(" ", "-")


@dataclass(frozen=True)
class SchemaDoc:
    """A named schema: its members, or the values of an enum."""

    name: str
    description: str
    type_text: str
    members: list[FieldDoc]


def tag_sections(document: Any) -> list[TagSection]:
    """Return all endpoints by tag."""
    endpoints: dict[str, list[EndpointDoc]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            endpoint = _endpoint_doc(document, method, path, operation)
            endpoints.setdefault(operation["tags"][0], []).append(endpoint)
    return [
        TagSection(tag["name"], tag["description"], endpoints[tag["name"]])
        for tag in document["tags"]
    ]


def schema_docs(document: Any) -> list[SchemaDoc]:
    """Return the named schemas of requests and responses."""
    return [
        SchemaDoc(
            name=name,
            description=schema.get("description", ""),
            type_text="" if "properties" in schema else describe(schema),
            members=[
                _field_doc(member, "member", each, member in schema.get("required", ()))
                for member, each in schema.get("properties", {}).items()
            ],
        )
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def _endpoint_doc(document: Any, method: str, path: str, operation: Any) -> EndpointDoc:
    media_type, body_fields = _body_fields(document, operation)
    parameters = [
        _field_doc(
            each["name"], each["in"], {**each["schema"], **_description_of(each)}, each["required"]
        )
        for each in operation.get("parameters", ())
    ]
    return EndpointDoc(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        samples=[sample["source"] for sample in operation.get("x-codeSamples", ())],
        fields=sorted(
            [*body_fields, *parameters], key=lambda field: _PLACE_ORDER.index(field.place)
        ),
        responses=[
            _response_doc(int(status), each) for status, each in operation["responses"].items()
        ],
        media_type=media_type,
    )


def _description_of(parameter: Any) -> dict[str, str]:
    return {"description": parameter.get("description", "")}


def _body_fields(document: Any, operation: Any) -> tuple[str, list[FieldDoc]]:
    """Return the media type of the body and its fields; the form if there are several types."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return "", []
    media = FORM if FORM in content else next(iter(content))
    schema = content[media]["schema"]
    if found := ref_name(schema):
        schema = document["components"]["schemas"][found]
    if media == JSON:
        example = json.dumps(content[media].get("example", {}), indent=1)
        about = schema.get("description", "")
        return media, [
            FieldDoc("body", "body", True, found, "", about, "lines", [], False, example)
        ]
    required = schema.get("required", ())
    fields = [
        _field_doc(name, "field", each, name in required)
        for name, each in schema["properties"].items()
    ]
    return media, fields


def _field_doc(name: str, place: str, schema: Any, required: bool) -> FieldDoc:
    inner = schema.get("items", {}) if schema.get("type") == "array" else schema
    values = enum_values(schema)
    control = "choice" if values else "text"
    if inner.get("format") == "binary":
        control = "file"
    default = schema.get("default")
    return FieldDoc(
        name=name,
        place=place,
        required=required,
        type_text=describe(schema),
        default="" if default is None else str(default),
        description=schema.get("description", ""),
        control=control,
        choices=values,
        multiple=inner is not schema,
        example=_example(schema),
    )


def _example(schema: Any) -> str:
    """Return an example value, if the schema has one."""
    found = next(iter(schema.get("examples", ())), "")
    return str(found[0] if isinstance(found, list) else found)


def _response_doc(status: int, response: Any) -> ResponseDoc:
    content = response.get("content", {})
    problem = content.get(PROBLEM_JSON, {}).get("schema", {})
    codes = problem.get("properties", {}).get("code", {}).get("enum", [])
    return ResponseDoc(
        status=status,
        phrase=HTTPStatus(status).phrase,
        description="" if codes else response["description"],
        media_types=[media for media in content if media != PROBLEM_JSON],
        schemas=ref_names(content.get(JSON, {}).get("schema", {})),
        codes=codes,
        headers=[name for name in response.get("headers", {}) if name != "X-Request-ID"],
    )
