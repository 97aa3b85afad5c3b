"""Operations as the older JSON batch processor wrote them: ``splitQuadrants=True``, ..."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.errors import BadParameter
from models.operations import Operation, parse
from models.operations.steps import known, shorthand

_SPLIT = frozenset({"split", "splitquadrants"})
_TRUE = frozenset({"true", "1", "yes", ""})


@dataclass
class Older:
    """What is to be done, and which of the operations (from 1) are skipped, with the reason."""

    operations: list[Operation] = field(default_factory=list)
    skipped: dict[int, str] = field(default_factory=dict)


def read(values: Sequence[str]) -> Older:
    """Return the operations that ``values`` name; one whose value is out of bounds is skipped.

    Raises:
        BadParameter: there is no operation of a name.
    """
    found = Older()
    for number, value in enumerate(values, 1):
        name, _, argument = value.strip().partition("=")
        if name.strip().lower() in _SPLIT:
            if argument.strip().lower() in _TRUE:
                found.operations.append(parse("split", {}))
            else:
                found.skipped[number] = f"split={argument.strip()[:20]!a} asks for nothing"
            continue
        known(name.strip())
        try:
            op, parameters = shorthand(value)
            found.operations.append(parse(op, parameters))
        except BadParameter as error:
            found.skipped[number] = error.detail
    return found
