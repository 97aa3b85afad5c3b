"""The syntax of the older JSON batch service: ``splitQuadrants=True``, ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.errors import BadParameter
from models.operations import Operation, parse
from models.operations.steps import parse_shorthand, require_operation

_SPLIT = frozenset({"split", "splitquadrants"})
_TRUE = frozenset({"true", "1", "yes", ""})


@dataclass
class LegacyPipeline:
    """The operations, and the numbers (from 1) of skipped ones with the reason."""

    operations: list[Operation] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)


def read_legacy_operations(values: Sequence[str]) -> LegacyPipeline:
    """Return the operations that ``values`` name; an invalid value skips its operation.

    Raises:
        BadParameter: an operation is unknown.
    """
    found = LegacyPipeline()
    for number, value in enumerate(values, 1):
        name, _, argument = value.strip().partition("=")
        if name.strip().lower() in _SPLIT:
            if argument.strip().lower() in _TRUE:
                found.operations.append(parse("split", {}))
            else:
                found.skipped[number] = f"split={argument.strip()[:20]!a} asks for nothing"
            continue
        require_operation(name.strip())
        try:
            op, parameters = parse_shorthand(value)
            found.operations.append(parse(op, parameters))
        except BadParameter as error:
            found.skipped[number] = error.detail
    return found
