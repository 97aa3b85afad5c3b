"""Help texts of an operation and its parameters, made from the fields of its spec."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from models.operations.spec import Operation


@dataclass(frozen=True)
class ParameterRow:
    """One parameter: what it may be, what it is when it is not given, what it means."""

    name: str
    values: str
    default: str
    description: str


def summary(spec: type[Operation]) -> str:
    """Return the first line of the spec's docstring."""
    return (spec.__doc__ or "").strip().splitlines()[0]


def list_form(spec: type[Operation]) -> str:
    """Return the operation's example as an item of a list of operations, e.g. ``resize=0.5``."""
    if not spec.example:
        return spec.op
    if set(spec.example) == {spec.shorthand}:
        return f"{spec.op}={spec.example[spec.shorthand or '']}"
    values = spec.model_validate(dict(spec.example)).document()
    said = {"op": spec.op, **{name: values[name] for name in spec.example}}
    return json.dumps(said, ensure_ascii=False)


def curl_fields(spec: type[Operation]) -> str:
    """Return the operation's example as curl's options, e.g. `` -F scale=2``."""
    fields = (f"{name}={value}" for name, value in spec.example.items())
    return "".join(f" -F {shlex.quote(field)}" for field in fields)


def parameter_rows(spec: type[Operation]) -> list[ParameterRow]:
    """Return the parameters of ``spec`` in their order."""
    schema = spec.model_json_schema()
    required = schema.get("required", ())
    return [
        ParameterRow(
            name=name,
            values=_values(said),
            default="required" if name in required else _default(said.get("default")),
            description=said.get("description", ""),
        )
        for name, said in schema.get("properties", {}).items()
    ]


def _default(value: Any) -> str:
    if value is None:
        return "none"
    return _plain(value) if isinstance(value, float) else str(value)


def _values(said: dict[str, Any]) -> str:
    """Return what values a parameter takes, from its JSON schema."""
    # An optional parameter is "this or null"; a form cannot send null.
    kinds = [kind for kind in said.get("anyOf", [said]) if kind.get("type") != "null"]
    return " or ".join(map(_values_of_kind, kinds))


def _values_of_kind(kind: dict[str, Any]) -> str:
    if "const" in kind:
        return str(kind["const"])
    if "enum" in kind:
        return ", ".join(map(str, kind["enum"]))
    if kind["type"] == "string":
        limit = kind.get("maxLength")
        return "text" if limit is None else f"up to {limit} characters"
    what = {"integer": "whole numbers", "number": "numbers"}[kind["type"]]
    low = _limit(kind, minimum="from", exclusiveMinimum="above")
    high = _limit(kind, maximum="up to" if not low else "to", exclusiveMaximum="below")
    return " ".join(filter(None, [what, low, high]))


def _limit(schema: dict[str, Any], **words: str) -> str:
    """Return the first of the keywords in ``words`` that the schema has, in words; "" for none."""
    for keyword, word in words.items():
        if keyword in schema:
            return f"{word} {_plain(schema[keyword])}"
    return ""


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
