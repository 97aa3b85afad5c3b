"""JSON Schemas in words, for people."""

from __future__ import annotations

from typing import Any

_FORMATS = {
    "binary": "file",
    "email": "e-mail address",
    "date-time": "time",
    "uri-reference": "path",
}


def name_of(schema: Any) -> str:
    """Return the name of the component that ``schema`` refers to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def names_in(schema: Any) -> list[str]:
    """Return the components that ``schema`` is, or is one of."""
    return [name for each in schema.get("anyOf", [schema]) if (name := name_of(each))]


def choices(schema: Any) -> list[str]:
    """Return the values that are let in, where they are listed; not the empty one."""
    return [str(value) for value in schema.get("enum", ()) if value not in {"", None}]


def words(schema: Any) -> str:
    """Return what ``schema`` lets in."""
    if found := name_of(schema):
        return found
    if "const" in schema:
        return str(schema["const"])
    if listed := choices(schema):
        return ", ".join(listed)
    if "anyOf" in schema:
        outer = {key: value for key, value in schema.items() if key != "anyOf"}
        kinds = [words({**outer, **each}) for each in schema["anyOf"] if each.get("const") != ""]
        return " or ".join(dict.fromkeys(kinds))
    return _plain(schema)


def _plain(schema: Any) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_plain({**schema, "type": each}) for each in kind)
    if kind == "array":
        what, most = words(schema.get("items", {})), schema.get("maxItems")
        listed = "files" if what == "file" else f"list of {what}"
        return f"{listed}, at most {most}" if most else listed
    if kind in {"integer", "number"}:
        return f"{'whole number' if kind == 'integer' else 'number'}{_between(schema)}"
    if kind == "string":
        known = _FORMATS.get(schema.get("format", ""))
        if "pattern" in schema and not known:
            shown = next(iter(schema.get("examples", ())), None)
            return f"text, e.g. {shown}" if shown else f"text that matches {schema['pattern']}"
        return known or "text"
    return {"null": "null", "boolean": "true or false", "object": "object"}.get(kind, "anything")


def _between(schema: Any) -> str:
    low = schema.get("minimum")
    below = schema.get("exclusiveMaximum")
    high = schema.get("maximum")
    said = "" if low is None else f" from {low:g}"
    if below is not None:
        return f"{said} below {below:g}"
    return said if high is None else f"{said} to {high:.7g}"
