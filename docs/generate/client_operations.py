"""Generate the operations of the client package from the registry of operations."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

from models.operations import OPERATIONS, Operation
from models.operations.parameter_docs import parameter_rows, summary

_HEAD = '''\
"""The operations, with typed parameters; written by `python -m docs` from `models/operations/`.

A parameter that is None is not sent: the service then takes its default.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Operation:
    """One operation of a submission."""

    op: ClassVar[str]

    def document(self) -> dict[str, Any]:
        """Return its JSON, as ``POST /process`` takes it in ``operations``."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {"op": self.op, **{k: v for k, v in given.items() if v is not None}}
'''
_TYPES = {"integer": "int", "number": "float", "string": "str"}
_WIDTH = 96  # of a line, less its indentation


def module() -> str:
    """Return the text of ``client/darkroom/client/operations.py``."""
    names = sorted(["Operation", *(spec.__name__ for spec in OPERATIONS.values())])
    exported = "\n".join(["__all__ = [", *(f'    "{name}",' for name in names), "]\n"])
    text = "\n\n".join([_HEAD, *map(_class, OPERATIONS.values()), exported])
    ruff = [sys.executable, "-m", "ruff", "format", "-"]  # breaks lines that are too long
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout


def _class(spec: type[Operation]) -> str:
    lines = [
        *("@dataclass(frozen=True, kw_only=True)", f"class {spec.__name__}(Operation):"),
        *(f'    """{summary(spec)}"""', ""),
        f'    op: ClassVar[str] = "{spec.op}"',
    ]
    schema = spec.model_json_schema()
    required = schema.get("required", ())
    for row in parameter_rows(spec):
        kind = _type(schema["properties"][row.name])
        default = "" if row.name in required else " | None = None"
        lines.append(f"    {row.name}: {kind}{default}")
        has_default = row.default not in {"none", "required"}
        told = f"{row.description} Default: {row.default}." if has_default else row.description
        lines += [f"    {each}" for each in textwrap.wrap(f'"""{told}"""', _WIDTH)]
    return "\n".join(lines) + "\n"


def _type(schema: dict[str, Any]) -> str:
    """Return the Python type of a parameter, without None."""
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return " | ".join(map(_type_of_kind, kinds))


def _type_of_kind(schema: dict[str, Any]) -> str:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if values is None:
        return _TYPES[schema["type"]]
    return f"Literal[{', '.join(f'{chr(34)}{each}{chr(34)}' for each in values)}]"
