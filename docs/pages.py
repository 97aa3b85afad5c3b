"""The texts of docs/operations/: all that they say is read from the registry."""

from __future__ import annotations

import json
from typing import Any

from models.names import result_names
from models.operations import OPERATIONS, Operation, parse
from models.operations.pipeline import encoding

_FROM = "cat.png"
_ORIGIN = (
    "<sub>Written by `python -m docs PICTURE` from `models/operations/{module}`; "
    "change it there.</sub>\n"
)


def pages() -> dict[str, str]:
    """Return the text of every page by its file name: one an operation, and README.md."""
    found = {f"{op}.md": _page(spec) for op, spec in OPERATIONS.items()}
    return {**found, "README.md": _index()}


def _index() -> str:
    rows = [
        f"| [{op}]({op}.md) | {_help(spec)} | {_list_form(spec)} |"
        for op, spec in OPERATIONS.items()
    ]
    return "\n".join(
        [
            "# Operations",
            "",
            "Each has a route of its name, and a place in the `operations` of `POST /process`,",
            "which are done from left to right, decoded once and encoded once.",
            "",
            "| operation | does | in a list |",
            "|---|---|---|",
            *rows,
            "",
            _ORIGIN.format(module=""),
        ]
    )


def _page(spec: type[Operation]) -> str:
    example = parse(spec.op, spec.example)
    fields = "".join(f" -F {name}={value}" for name, value in spec.example.items())
    output = encoding([example], "png").format
    number = 1 if spec.parts > 1 else 0
    name = next(result_names(_FROM, [example], output, "0" * 64, number))
    made = f"`{name}`" + (f" and so on, {spec.parts} of them" if number else "")
    return "\n".join(
        [
            f"# {spec.op}",
            "",
            _help(spec),
            "",
            f"![Before, and after {example.label()}]({spec.op}.jpg)",
            "",
            "```",
            f"curl -F image=@{_FROM}{fields} localhost:8080/{spec.op}",
            "```",
            "",
            f"makes {made}. As one of several operations:",
            "",
            "```",
            f"curl -F image=@{_FROM} -F {_quoted(listed(spec))} localhost:8080/process",
            "```",
            "",
            *_table(spec),
            "",
            _ORIGIN.format(module=f"{spec.op}.py"),
        ]
    )


def _help(spec: type[Operation]) -> str:
    return (spec.__doc__ or "").partition("\n")[0]


def listed(spec: type[Operation]) -> str:
    """Return the field ``operations=...`` that asks for the operation's example."""
    if not spec.example:
        return f"operations={spec.op}"
    if set(spec.example) == {spec.shorthand}:
        return f"operations={spec.op}={spec.example[spec.shorthand or '']}"
    values = parse(spec.op, spec.example).document()
    asked = {"op": spec.op, **{name: values[name] for name in spec.example}}
    return f"operations={json.dumps(asked)}"


def _quoted(field: str) -> str:
    return f"'{field}'" if " " in field else field


def _list_form(spec: type[Operation]) -> str:
    return f"`{listed(spec).removeprefix('operations=')}`"


def _table(spec: type[Operation]) -> list[str]:
    if not spec.model_fields:
        return ["It takes no parameters."]
    schema = spec.model_json_schema()
    required = schema.get("required", [])
    rows = ["| parameter | default | takes | what it is |", "|---|---|---|---|"]
    for name, said in schema["properties"].items():
        default = said.get("default")
        default = _plain(default) if isinstance(default, float) else default
        shown = "required" if name in required else "none" if default is None else f"`{default}`"
        rows.append(f"| `{name}` | {shown} | {_takes(said)} | {said.get('description', '')} |")
    if spec.shorthand is not None:
        rows += ["", f"In a list, `{spec.op}=VALUE` sets `{spec.shorthand}`."]
    return rows


def _takes(said: dict[str, Any]) -> str:
    """Return what values a parameter takes, from its JSON schema."""
    kinds = [kind for kind in said.get("anyOf", [said]) if kind.get("type") != "null"]
    (kind,) = kinds
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"])
    if kind["type"] == "string":
        return f"up to {kind['maxLength']} characters"
    what = {"integer": "whole numbers", "number": "numbers"}[kind["type"]]
    low = kind.get("minimum")
    below = kind.get("exclusiveMaximum")
    high = f"below {_plain(below)}" if below is not None else _plain(kind["maximum"])
    return f"{what} from {_plain(low)} to {high}"


def _plain(number: float | None) -> str:
    return "" if number is None else str(int(number)) if number == int(number) else str(number)
