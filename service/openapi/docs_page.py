"""What the template of /docs calls to show the OpenAPI document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from service.openapi.endpoint import BYTES, FORM, JSON, Schema
from service.openapi.problem_schema import PROBLEM_JSON

_PLACE_ORDER = ("path", "body", "field", "query", "header")
_FORMATS = {
    "binary": "file",
    "email": "e-mail address",
    "date-time": "time",
    "uri-reference": "path",
}


@dataclass(frozen=True)
class Field:
    """A parameter, form field or member of a schema.

    ``place``: path, query, header, field, member, or body: the whole JSON body.
    """

    name: str
    place: str
    required: bool
    schema: Any

    @property
    def items(self) -> Schema:
        """The schema of one value, where the field may be sent several times."""
        listed: Schema = self.schema.get("items", {})
        return listed if self.multiple else self.schema

    @property
    def multiple(self) -> bool:
        return bool(self.schema.get("type") == "array")

    @property
    def default(self) -> str:
        """The default value, or an empty string."""
        found = self.schema.get("default")
        return "" if found is None else str(found)

    @property
    def example(self) -> str:
        """An example value, or an empty string."""
        found = next(iter(self.schema.get("examples", ())), "")
        return str(found[0] if isinstance(found, list) else found)


def operations_by_tag(document: Any) -> dict[str, list[tuple[str, str, Any]]]:
    """Return (method, path, operation) of all operations by tag."""
    found: dict[str, list[tuple[str, str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append((method.upper(), path, operation))
    return found


def media_type(operation: Any) -> str:
    """Return the media type of the request body; the form if there are several; "" without body."""
    content = operation.get("requestBody", {}).get("content", {})
    return FORM if FORM in content else next(iter(content), "")


def request_fields(document: Any, operation: Any) -> list[Field]:
    """Return the parameters of an operation and the fields of its body."""
    fields = [
        Field(
            each["name"],
            each["in"],
            each["required"],
            {**each["schema"], "description": each["description"]},
        )
        for each in operation.get("parameters", ())
    ]
    if media := media_type(operation):
        body = operation["requestBody"]["content"][media]
        schema = body["schema"]
        if found := ref_name(schema):
            schema = document["components"]["schemas"][found]
        if media == JSON:
            example = json.dumps(body.get("example", {}), indent=1)
            shown = {"description": schema.get("description", ""), "examples": [example]}
            fields.append(Field("body", "body", True, {**body["schema"], **shown}))
        elif media == BYTES:
            fields.append(Field("body", "body", True, schema))
        else:
            fields += schema_fields(schema, "field")
    return sorted(fields, key=lambda field: _PLACE_ORDER.index(field.place))


def schema_fields(schema: Any, place: str) -> list[Field]:
    """Return the members of a schema."""
    required = schema.get("required", ())
    members = schema.get("properties", {}).items()
    return [Field(name, place, name in required, each) for name, each in members]


def split_responses(operation: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the responses that are no errors, and the error codes of the others, by status."""
    successes, errors = {}, {}
    for status, response in operation["responses"].items():
        problem = response.get("content", {}).get(PROBLEM_JSON)
        if problem is None:
            successes[status] = response
        else:
            errors[status] = problem["schema"]["properties"]["code"]["enum"]
    return successes, errors


def phrase(status: str) -> str:
    """Return the reason phrase of a status."""
    return HTTPStatus(int(status)).phrase


def ref_name(schema: Any) -> str:
    """Return the name of the component that ``schema`` refers to, or an empty string."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def ref_names(schema: Any) -> list[str]:
    """Return the names of the components in ``schema`` or in its anyOf."""
    return [name for each in schema.get("anyOf", [schema]) if (name := ref_name(each))]


def enum_values(schema: Any) -> list[str]:
    """Return the values of an enum, without the empty one."""
    return [str(value) for value in schema.get("enum", ()) if value not in {"", None}]


def describe(schema: Any) -> str:
    """Return which values ``schema`` accepts."""
    if found := ref_name(schema):
        return found
    if "const" in schema:
        return str(schema["const"])
    if listed := enum_values(schema):
        return ", ".join(listed)
    if "anyOf" in schema:
        outer = {key: value for key, value in schema.items() if key != "anyOf"}
        kinds = [describe({**outer, **each}) for each in schema["anyOf"] if each.get("const") != ""]
        return " or ".join(dict.fromkeys(kinds))
    return _describe_type(schema)


def _describe_type(schema: Any) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_describe_type({**schema, "type": each}) for each in kind)
    if kind == "array":
        item, max_items = describe(schema.get("items", {})), schema.get("maxItems")
        listed = "files" if item == "file" else f"list of {item}"
        return f"{listed}, at most {max_items}" if max_items else listed
    if kind in {"integer", "number"}:
        return f"{'whole number' if kind == 'integer' else 'number'}{_describe_range(schema)}"
    if kind == "string":
        known = _FORMATS.get(schema.get("format", ""))
        if "pattern" in schema and not known:
            shown = next(iter(schema.get("examples", ())), None)
            return f"text, e.g. {shown}" if shown else f"text that matches {schema['pattern']}"
        return known or "text"
    return {"null": "null", "boolean": "true or false", "object": "object"}.get(kind, "anything")


def _describe_range(schema: Any) -> str:
    low = schema.get("minimum")
    below = schema.get("exclusiveMaximum")
    high = schema.get("maximum")
    text = "" if low is None else f" from {low:g}"
    if below is not None:
        return f"{text} below {below:g}"
    return text if high is None else f"{text} to {high:.7g}"
