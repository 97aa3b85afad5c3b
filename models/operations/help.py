"""What people read of an operation's parameters: from the fields of its spec, nothing by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.operations.spec import Operation


@dataclass(frozen=True)
class Row:
    """One parameter: what it may be, what it is when it is not given, what it means."""

    name: str
    values: str
    default: str
    description: str


def summary(spec: type[Operation]) -> str:
    """Return the first line of the spec's docstring."""
    return (spec.__doc__ or "").strip().splitlines()[0]


def rows(spec: type[Operation]) -> list[Row]:
    """Return the parameters of ``spec`` in their order."""
    schema = spec.model_json_schema()
    required = schema.get("required", ())
    return [
        Row(
            name=name,
            values=_values(said),
            default="required" if name in required else _shown(said.get("default")),
            description=said.get("description", ""),
        )
        for name, said in schema.get("properties", {}).items()
    ]


def _shown(default: Any) -> str:
    return "" if default is None else str(default)


def _values(said: dict[str, Any]) -> str:
    """Return the values a JSON schema admits, e.g. ``integer, 1 to 100``."""
    # An optional parameter is "this or null"; nobody sends null in a form.
    said = next((s for s in said.get("anyOf", ()) if s.get("type") != "null"), said)
    if "enum" in said:
        return ", ".join(map(str, said["enum"]))
    words = [{"string": "text"}.get(said.get("type", ""), said.get("type", ""))]
    least = said.get("minimum", said.get("exclusiveMinimum"))
    most = said.get("maximum", said.get("exclusiveMaximum"))
    if least is not None and most is not None:
        below = "below " if "exclusiveMaximum" in said else ""
        words.append(f"{least:g} to {below}{most:g}")
    elif least is not None:
        words.append(f"from {least:g}")
    elif most is not None:
        words.append(f"up to {most:g}")
    return ", ".join(filter(None, words))
