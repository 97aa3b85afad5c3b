"""Several operations in a row: how they are asked for, what sizes and which files they make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from models.errors import BadParameter, TooManyPixels
from models.images.inspect import OutputFormat
from models.operations import OPERATIONS, Encoding, Operation, Size, parse

_NONE = {"", "true", "1", "yes"}
"""Values of an operation that takes none: ``split=True``."""


def read(values: Sequence[str], limit: int) -> list[Operation]:
    """Return the operations that ``values`` name, left to right.

    Each value is ``op``, ``op=value`` or JSON: an object ``{"op": ..., parameters}``, or a list of
    any of these.

    Raises:
        BadParameter: none, more than ``limit``, or one of them unknown or out of range.
    """
    items = [item for value in values for item in _items(value)]
    if not items:
        raise BadParameter(
            "there are no operations; e.g. operations=resize=2 or "
            'operations=["grayscale", {"op": "blur", "kernel": 25}]',
            parameter="operations",
            known=list(OPERATIONS),
        )
    if len(items) > limit:
        raise BadParameter(
            f"{len(items)} operations; at most {limit} are allowed (MAX_OPERATIONS)",
            setting="MAX_OPERATIONS",
            limit=limit,
            measured=len(items),
        )
    return [_operation(item, number) for number, item in enumerate(items, 1)]


def _items(value: str) -> list[Any]:
    if not value.lstrip().startswith(("[", "{", '"')):
        return [value] if value.strip() else []
    try:
        given = json.loads(value)
    except (ValueError, RecursionError):
        raise BadParameter(
            f"operations: {value[:40]!a} is no JSON; e.g. "
            '["grayscale", {"op": "blur", "kernel": 25}]',
            parameter="operations",
        ) from None
    return given if isinstance(given, list) else [given]


def _operation(item: Any, number: int) -> Operation:
    try:
        if isinstance(item, str):
            return parse(*shorthand(item))
        if isinstance(item, dict) and isinstance(item.get("op"), str):
            op = known(item["op"])
            return parse(op, {key: v for key, v in item.items() if key != "op"})
    except BadParameter as error:
        raise BadParameter(f"operation {number}: {error.detail}", **error.facts) from None
    raise BadParameter(
        f'operation {number} is {str(item)[:40]!a}; write "op", "op=value" or '
        '{"op": "...", parameters}',
        parameter="operations",
        known=list(OPERATIONS),
    )


def shorthand(text: str) -> tuple[str, Mapping[str, str]]:
    """Return (op, parameters) of ``op`` or ``op=value``.

    Raises:
        BadParameter: there is no such operation, or it takes no value.
    """
    name, equals, value = text.strip().partition("=")
    op, value = known(name.strip()), value.strip()
    parameter = OPERATIONS[op].shorthand
    if not equals:
        return op, {}
    if parameter is not None:
        return op, {parameter: value}
    if value.lower() in _NONE:
        return op, {}
    raise BadParameter(
        f'{op} takes no value (got {value[:40]!a}); write {op}, or {{"op": "{op}", parameters}}',
        parameter="operations",
    )


def known(op: str) -> str:
    """Return ``op`` if it is an operation.

    Raises:
        BadParameter: it is not; lists what is.
    """
    if op not in OPERATIONS:
        raise BadParameter(
            f"there is no operation {op[:40]!a}; known: {', '.join(OPERATIONS)}",
            parameter="op",
            known=list(OPERATIONS),
        )
    return op


def encoding(operations: Sequence[Operation], default: OutputFormat) -> Encoding:
    """Return how the results are written: as the last operation that says so, or as ``default``."""
    said = [e for operation in operations if (e := operation.encoding()) is not None]
    return said[-1] if said else Encoding(default)


def parts(operations: Sequence[Operation]) -> int:
    """Return how many results the operations make of one picture."""
    count = 1
    for operation in operations:
        count *= operation.parts
    return count


def sizes(operations: Sequence[Operation], size: Size, limit: int) -> list[Size]:
    """Return the sizes of all results, in their order, for an upright input of ``size``.

    Raises:
        BadParameter: an operation cannot be done to a picture of its size.
        TooManyPixels: all parts together have more than ``limit`` pixels after some operation.
    """
    found = [size]
    for operation in operations:
        found = [part for each in found for part in operation.output_sizes(*each)]
        total = sum(width * height for width, height in found)
        if total > limit:
            shown = " x ".join(map(str, found[0]))
            several = f"{len(found)} times about " if len(found) > 1 else ""
            raise TooManyPixels(
                f"the result of {operation.op}: {several}{shown} = {total} pixels; "
                f"at most {limit} are allowed (MAX_OUTPUT_PIXELS)",
                setting="MAX_OUTPUT_PIXELS",
                limit=limit,
                measured=total,
            )
    return found
