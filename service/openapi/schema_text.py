"""Describe a JSON Schema in words, for /docs."""

from __future__ import annotations

from typing import Any

_FORMATS = {
    "binary": "file",
    "email": "e-mail address",
    "date-time": "time",
    "uri-reference": "path",
}


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
