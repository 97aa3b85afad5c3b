"""The tools, made from the document of the operations, and what a call of one asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args

from models.images.inspect import FORMAT_BY_EXTENSION
from models.images.metadata import METADATA, MetadataChoice
from models.networks.catalogue import Catalogue
from models.operations import OPERATIONS
from models.operations.parameter_docs import summary
from service.openapi.scales import with_scales

Schema = dict[str, Any]

PROCESS = "process"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_OWN: dict[str, Schema] = {
    "picture": {
        "type": "string",
        "description": "Path of a picture, relative to the allowed folder.",
    },
    "output_folder": {
        "type": "string",
        "description": "Folder for the results, relative to the allowed folder; made if it is "
        "missing. Default: that of the picture.",
    },
    "format": {
        "type": "string",
        "enum": list(dict.fromkeys(FORMAT_BY_EXTENSION.values())),
        "description": "Format of the results. Default: that of the picture.",
    },
    "metadata": {"type": "string", "enum": list(get_args(MetadataChoice)), "description": METADATA},
}

RESULTS: Schema = {
    "type": "object",
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "description": "Relative to the allowed folder."},
                    "width": {"type": "integer"},
                    "height": {"type": "integer"},
                    "format": {"type": "string"},
                    "bytes": {"type": "integer"},
                    "notes": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["path", "width", "height", "format", "bytes", "notes"],
            },
        }
    },
    "required": ["results"],
}
"""What every tool returns."""


class BadCall(Exception):
    """The arguments of a call are wrong; the text says which."""


@dataclass(frozen=True)
class ToolSpec:
    """One tool; ``own``: the parameters of its operation, which may have a ``format`` itself."""

    name: str
    text: str
    schema: Schema
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Job:
    """What a call asks for: paths as the assistant gave them, operations as JSON."""

    picture: str
    folder: str
    operations: list[Any]
    options: dict[str, str]


def local_operations(catalogue: Catalogue) -> list[Schema]:
    """Return the operations as ``GET /operations`` lists them."""
    return [
        {
            "op": op,
            "summary": summary(spec),
            "parameters": with_scales(spec.model_json_schema(), catalogue),
        }
        for op, spec in OPERATIONS.items()
    ]


def tools(operations: list[Any]) -> dict[str, ToolSpec]:
    """Return a tool for each operation, and ``process``, by name.

    What is not an operation in ``operations``, which a service may have sent, is left out.
    """
    found: dict[str, ToolSpec] = {}
    for each in operations:
        try:
            name, text, parameters = each["op"], str(each["summary"]), each["parameters"]
            properties, required = {**parameters["properties"]}, parameters.get("required", [])
            # A watermark's picture is not offered: an assistant names the picture to work on.
            properties.pop("picture", None)
            if not _NAME.fullmatch(name) or "picture" in required:
                continue
            schema = _schema({**_OWN, **properties}, ["picture", *required])
        except (KeyError, TypeError):
            continue
        found[name] = ToolSpec(name, text, schema, frozenset(properties))
    listed = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["op"]}]},
        "description": 'Applied in order, e.g. ["grayscale", {"op": "resize", "scale": 0.5}]; '
        f"op is one of {', '.join(found)}, and the rest its parameters.",
    }
    schema = _schema({**_OWN, "operations": listed}, ["picture", "operations"])
    text = "Apply several operations to a picture, which is decoded and encoded once."
    found[PROCESS] = ToolSpec(PROCESS, text, schema)
    return found


def _schema(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def read_call(tool: ToolSpec, arguments: Mapping[str, Any]) -> Job:
    """Return what a call asks for; the operations' own parameters are checked where they run.

    Raises:
        BadCall: an argument is unknown, missing or of the wrong type.
    """
    if unknown := set(arguments) - set(tool.schema["properties"]):
        known = ", ".join(tool.schema["properties"])
        raise BadCall(f"unknown arguments: {', '.join(sorted(unknown))[:200]!a}; known: {known}")
    if missing := [name for name in tool.schema["required"] if name not in arguments]:
        raise BadCall(f"missing arguments: {', '.join(missing)}")
    texts = {name: value for name, value in arguments.items() if name in set(_OWN) - tool.own}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise BadCall(f"{name} is not a text: {str(value)[:40]!a}")
        values = _OWN[name].get("enum")
        if values and value not in values:
            raise BadCall(f"{name} is {value[:40]!a}; it can be {', '.join(values)}")
    picture = texts.pop("picture")
    folder = texts.pop("output_folder", str(PurePosixPath(picture).parent))
    if tool.name == PROCESS:
        operations = arguments["operations"]
        if not isinstance(operations, list):
            raise BadCall("operations is not a list")
    else:
        own = {name: value for name, value in arguments.items() if name in tool.own}
        operations = [{"op": tool.name, **own}]
    return Job(picture, folder, operations, texts)
