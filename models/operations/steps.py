"""Pipelines: parse a list of operations; the number, sizes and format of its results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from models.errors import BadParameter, TooManyPixels
from models.images.inspect import OutputFormat
from models.operations import OPERATIONS, Encoding, Operation, Size, parse

_NO_VALUE = {"", "true", "1", "yes"}
"""Values that an operation without a value accepts: ``split=True``."""


def read_pipeline(values: Sequence[str], limit: int) -> list[Operation]:
    """Return the operations that ``values`` name, left to right.

    Each value is ``op``, ``op=value`` or JSON: an object ``{"op": ..., parameters}``, or a list of
    any of these.

    Raises:
        BadParameter: there is none, more than ``limit``, or one is unknown or out of range.
    """
    items = [item for value in values for item in _items(value)]
    if not items:
        raise BadParameter(
            "operations is empty; e.g. operations=resize=2 or "
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
    operations = [_operation(item, number) for number, item in enumerate(items, 1)]
    for number, operation in enumerate(operations, 1):
        if any(before.finds_size for before in operations[: number - 1]):
            with _named(number):
                operation.check_bounded()
    return operations


@contextmanager
def _named(number: int) -> Iterator[None]:
    """Let what is wrong with an operation say which of them it is."""
    try:
        yield
    except BadParameter as error:
        raise BadParameter(f"operation {number}: {error.detail}", **error.facts) from None


def _items(value: str) -> list[Any]:
    if not value.lstrip().startswith(("[", "{", '"')):
        return [value] if value.strip() else []
    try:
        given = json.loads(value)
    except (ValueError, RecursionError):
        raise BadParameter(
            f"operations: {value[:40]!a} is not valid JSON; e.g. "
            '["grayscale", {"op": "blur", "kernel": 25}]',
            parameter="operations",
        ) from None
    return given if isinstance(given, list) else [given]


def _operation(item: Any, number: int) -> Operation:
    with _named(number):
        if isinstance(item, str):
            return parse(*parse_shorthand(item))
        if isinstance(item, dict) and isinstance(item.get("op"), str):
            op = require_operation(item["op"])
            return parse(op, {key: v for key, v in item.items() if key != "op"})
    raise BadParameter(
        f'operation {number} is {str(item)[:40]!a}; write "op", "op=value" or '
        '{"op": "...", parameters}',
        parameter="operations",
        known=list(OPERATIONS),
    )


def parse_shorthand(text: str) -> tuple[str, Mapping[str, str]]:
    """Return (op, parameters) of ``op`` or ``op=value``.

    Raises:
        BadParameter: the operation is unknown, or it takes no value.
    """
    name, equals, value = text.strip().partition("=")
    op, value = require_operation(name.strip()), value.strip()
    parameter = OPERATIONS[op].shorthand
    if not equals:
        return op, {}
    if parameter is not None:
        return op, {parameter: value}
    if value.lower() in _NO_VALUE:
        return op, {}
    raise BadParameter(
        f'{op} takes no value (got {value[:40]!a}); write {op}, or {{"op": "{op}", parameters}}',
        parameter="operations",
    )


def require_operation(op: str) -> str:
    """Return ``op`` if it is an operation.

    Raises:
        BadParameter: it is not; the message lists all operations.
    """
    if op not in OPERATIONS:
        raise BadParameter(
            f"unknown operation {op[:40]!a}; known: {', '.join(OPERATIONS)}",
            parameter="op",
            known=list(OPERATIONS),
        )
    return op


def final_encoding(operations: Sequence[Operation], default: OutputFormat) -> Encoding:
    """Return the encoding of the results: that of the last operation with one, or ``default``."""
    said = [e for operation in operations if (e := operation.encoding()) is not None]
    return said[-1] if said else Encoding(default)


def check_format(operations: Sequence[Operation], output: OutputFormat) -> None:
    """Return if no operation writes another format than ``output``, the field ``format``.

    Raises:
        BadParameter: one does.
    """
    written = final_encoding(operations, output).format
    if written != output:
        raise BadParameter(
            f"format={output} contradicts convert={written}; send one of them", parameter="format"
        )


def result_count(operations: Sequence[Operation]) -> int:
    """Return the number of results that the operations make of one image."""
    count = 1
    for operation in operations:
        count *= operation.parts
    return count


def check_results(
    operations: Sequence[Operation], pictures: int, max_results: int, max_batch_results: int
) -> int:
    """Return how many results a submission of ``pictures`` images makes, if as many are allowed.

    Raises:
        BadParameter: more than MAX_RESULTS of each image, or MAX_BATCH_RESULTS in all.
    """
    each = result_count(operations)
    if each > max_results:
        raise BadParameter(
            f"the operations make {each} results of each picture; at most {max_results} are "
            "allowed (MAX_RESULTS)",
            setting="MAX_RESULTS",
            limit=max_results,
            measured=each,
        )
    if pictures > 1 and each * pictures > max_batch_results:
        raise BadParameter(
            f"{pictures} pictures would make {each * pictures} results; at most "
            f"{max_batch_results} are allowed of one submission (MAX_BATCH_RESULTS): send fewer "
            "pictures in each",
            setting="MAX_BATCH_RESULTS",
            limit=max_batch_results,
            measured=each * pictures,
        )
    return each * pictures


def sizes_after(operations: Sequence[Operation], size: Size) -> Iterator[list[Size]]:
    """Yield the sizes of all parts after each operation, for an upright input of ``size``.

    After one that finds its size in the pixels they are the most that each side can have.

    Raises:
        BadParameter: an operation does not fit an image of its size.
    """
    found, is_known = [size], True
    for operation in operations:
        sizes = operation.output_sizes if is_known else operation.largest_sizes
        found = [part for each in found for part in sizes(*each)]
        is_known = is_known and not operation.finds_size
        yield found


def result_sizes(operations: Sequence[Operation], size: Size, limit: int) -> list[Size]:
    """Return the sizes of all results, in their order, for an upright input of ``size``.

    They are the most that each side can have, see ``sizes_after``.

    Raises:
        BadParameter: an operation does not fit an image of its size.
        TooManyPixels: after an operation, all parts together have more than ``limit`` pixels.
    """
    found, said = [size], "the result"
    for operation, found in zip(operations, sizes_after(operations, size), strict=True):
        total = sum(width * height for width, height in found)
        if total > limit:
            shown = " x ".join(map(str, found[0]))
            several = f"{len(found)} times about " if len(found) > 1 else ""
            raise TooManyPixels(
                f"{said} of {operation.op}: {several}{shown} = {total} pixels; "
                f"at most {limit} are allowed (MAX_OUTPUT_PIXELS)",
                setting="MAX_OUTPUT_PIXELS",
                limit=limit,
                measured=total,
            )
        if operation.finds_size:
            said = f"the largest possible result, after {operation.op},"
    return found
