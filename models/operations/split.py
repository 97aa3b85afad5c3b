"""Split: four quadrants."""

from __future__ import annotations

from typing import ClassVar

from models.errors import BadParameter
from models.operations.spec import Operation, Size


class Split(Operation):
    """Cut a picture into four quadrants: top left, top right, bottom left, bottom right."""

    op: ClassVar[str] = "split"
    same_frame: ClassVar[bool] = False
    parts: ClassVar[int] = 4

    def output_sizes(self, width: int, height: int) -> list[Size]:
        """Return the four sizes; of an odd side the right or lower half has the odd pixel.

        Raises:
            BadParameter: a side of 1 pixel cannot be halved.
        """
        if min(width, height) < 2:
            raise BadParameter(
                f"split: the picture is {width} x {height} pixels; both sides must be at least 2",
                limit=2,
                measured=min(width, height),
            )
        left, top = width // 2, height // 2
        return [(w, h) for h in (top, height - top) for w in (left, width - left)]
