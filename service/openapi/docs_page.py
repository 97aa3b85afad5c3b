"""The OpenAPI document as a page needs it: what is asked and answered, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from service.openapi.endpoint import FORM, JSON
from service.openapi.problem_schema import PROBLEM
from service.openapi.schema_text import choices, name_of, names_in, words

_ORDER = ("path", "body", "field", "query", "header")


@dataclass(frozen=True)
class Field:
    """Something that is sent; ``place``: path, query, header, field or body.

    ``kind`` is the control it is asked for with: file, choice, lines or text.
    """

    name: str
    place: str
    required: bool
    values: str
    default: str
    description: str
    kind: str
    choices: list[str]
    many: bool
    example: str


@dataclass(frozen=True)
class Reply:
    """One status that may be answered; ``codes`` are those of a refusal."""

    status: int
    phrase: str
    description: str
    media: list[str]
    bodies: list[str]
    codes: list[str]
    headers: list[str]


@dataclass(frozen=True)
class Item:
    """One method at one path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    samples: list[str]
    fields: list[Field]
    replies: list[Reply]
    media: str
    """What the body is sent as; empty: there is none."""

    @property
    def good(self) -> list[Reply]:
        return [reply for reply in self.replies if not reply.codes]

    @property
    def bad(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.codes]


@dataclass(frozen=True)
class Part:
    """The calls of one tag."""

    name: str
    description: str
    items: list[Item]

    @property
    def id(self) -> str:
        return self.name.lower().replace(" ", "-")


@dataclass(frozen=True)
class Body:
    """A named schema: its members, or the values of an enumeration."""

    name: str
    description: str
    values: str
    members: list[Field]


def parts(document: Any) -> list[Part]:
    """Return all calls by their tag."""
    items: dict[str, list[Item]] = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            items.setdefault(said["tags"][0], []).append(_item(document, method, path, said))
    return [Part(tag["name"], tag["description"], items[tag["name"]]) for tag in document["tags"]]


def bodies(document: Any) -> list[Body]:
    """Return the schemas that answers and requests refer to."""
    return [
        Body(
            name=name,
            description=schema.get("description", ""),
            values="" if "properties" in schema else words(schema),
            members=[
                _field(member, "member", each, member in schema.get("required", ()))
                for member, each in schema.get("properties", {}).items()
            ],
        )
        for name, schema in sorted(document["components"]["schemas"].items())
    ]


def _item(document: Any, method: str, path: str, said: Any) -> Item:
    media, sent = _sent(document, said)
    asked = [
        _field(each["name"], each["in"], {**each["schema"], **_about(each)}, each["required"])
        for each in said.get("parameters", ())
    ]
    return Item(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        summary=said["summary"],
        description=said.get("description", ""),
        samples=[sample["source"] for sample in said.get("x-codeSamples", ())],
        fields=sorted([*sent, *asked], key=lambda field: _ORDER.index(field.place)),
        replies=[_reply(int(status), each) for status, each in said["responses"].items()],
        media=media,
    )


def _about(said: Any) -> dict[str, str]:
    return {"description": said.get("description", "")}


def _sent(document: Any, said: Any) -> tuple[str, list[Field]]:
    """Return the media type of the body and its fields; of several media the form."""
    content = said.get("requestBody", {}).get("content", {})
    if not content:
        return "", []
    media = FORM if FORM in content else next(iter(content))
    schema = content[media]["schema"]
    if found := name_of(schema):
        schema = document["components"]["schemas"][found]
    if media == JSON:
        example = json.dumps(content[media].get("example", {}), indent=1)
        about = schema.get("description", "")
        return media, [Field("body", "body", True, found, "", about, "lines", [], False, example)]
    required = schema.get("required", ())
    fields = [
        _field(name, "field", each, name in required) for name, each in schema["properties"].items()
    ]
    return media, fields


def _field(name: str, place: str, schema: Any, required: bool) -> Field:
    inner = schema.get("items", {}) if schema.get("type") == "array" else schema
    listed = choices(schema)
    kind = "choice" if listed else "text"
    if inner.get("format") == "binary":
        kind = "file"
    default = schema.get("default")
    return Field(
        name=name,
        place=place,
        required=required,
        values=words(schema),
        default="" if default is None else str(default),
        description=schema.get("description", ""),
        kind=kind,
        choices=listed,
        many=inner is not schema,
        example=_example(schema),
    )


def _example(schema: Any) -> str:
    """Return a value to begin with, where the schema has one."""
    found = next(iter(schema.get("examples", ())), "")
    return str(found[0] if isinstance(found, list) else found)


def _reply(status: int, said: Any) -> Reply:
    content = said.get("content", {})
    refused = content.get(PROBLEM, {}).get("schema", {})
    codes = refused.get("properties", {}).get("code", {}).get("enum", [])
    return Reply(
        status=status,
        phrase=HTTPStatus(status).phrase,
        description="" if codes else said["description"],
        media=[media for media in content if media != PROBLEM],
        bodies=names_in(content.get(JSON, {}).get("schema", {})),
        codes=codes,
        headers=[name for name in said.get("headers", {}) if name != "X-Request-ID"],
    )
