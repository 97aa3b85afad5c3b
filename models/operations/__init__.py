"""The registry of operations: one pydantic spec each, parsed from a form or from a task's document.

To add an operation, add a class in a module here with its entry in ``OPERATIONS``, and a function
of the same name in ``workers/operations/<op>.py``: see CONTRIBUTING.md. Routes, validation,
fingerprints, pages and documents read this registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from models.errors import BadParameter
from models.operations.adjust import Adjust
from models.operations.blur import Blur
from models.operations.convert import Convert
from models.operations.crop import Crop
from models.operations.flip import Flip
from models.operations.grayscale import Grayscale
from models.operations.resize import Resize
from models.operations.restore import Restore
from models.operations.rotate import Rotate
from models.operations.sharpen import Sharpen
from models.operations.smartcrop import SmartCrop
from models.operations.spec import Encoding, Operation, Size
from models.operations.split import Split
from models.operations.thumbnail import Thumbnail
from models.operations.trim import Trim
from models.operations.upscale import Upscale
from models.operations.watermark import Watermark

__all__ = ["OPERATIONS", "Encoding", "Operation", "Size", "load", "parse"]

OPERATIONS: dict[str, type[Operation]] = {
    spec.op: spec
    for spec in (
        Upscale,
        Restore,
        Grayscale,
        Blur,
        Sharpen,
        Adjust,
        Thumbnail,
        Resize,
        Split,
        Crop,
        SmartCrop,
        Trim,
        Rotate,
        Flip,
        Watermark,
        Convert,
    )
}


def parse(op: str, parameters: Mapping[str, Any]) -> Operation:
    """Return the operation ``op`` with ``parameters``, e.g. form fields as text.

    Raises:
        BadParameter: a parameter is unknown or out of range; says what would pass.
    """
    spec = OPERATIONS[op]
    try:
        return spec.model_validate(dict(parameters))
    except ValidationError as error:
        problems = [_sentence(spec, problem) for problem in error.errors(include_url=False)]
        raise BadParameter(
            f"{op}: {'; '.join(problems)}", parameter=_name(error.errors()[0])
        ) from None


def _name(problem: Any) -> str:
    return str(problem["loc"][0])[:40] if problem["loc"] else ""


def _sentence(spec: type[Operation], problem: Any) -> str:
    name, message = _name(problem), str(problem["msg"]).removeprefix("Value error, ")
    known = ", ".join(spec.model_fields) or "none"
    if problem["type"] == "extra_forbidden":
        return f"unknown field {name[:40]!a}; known: {known}"
    if problem["type"] == "missing":
        return f"{name} is missing: {spec.model_fields[name].description}"
    if not name:  # a rule about several parameters together
        return message
    return f"{name}: {message} (got {str(problem['input'])[:40]!a})"


def load(document: Mapping[str, Any]) -> Operation:
    """Return the operation that ``Operation.document`` described."""
    parameters = {k: v for k, v in document.items() if k != "op"}
    return parse(str(document["op"]), parameters)
