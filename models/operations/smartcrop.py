"""The spec of smartcrop: a part of a picture, of a shape or size, where something is to be seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from models.operations.fit import covering, fitting
from models.operations.spec import Operation, Side, Size, sufficient_size

_SQUARE = "1:1"


def _reduced(ratio: str) -> str:
    """Return ``ratio`` in lowest terms: 32:18 is 16:9."""
    across, down = map(int, ratio.split(":"))
    divisor = math.gcd(across, down)
    return f"{across // divisor}:{down // divisor}"


Ratio = Annotated[
    str, Field(max_length=9, pattern="^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$"), AfterValidator(_reduced)
]


class SmartCrop(Operation):
    """Cut a picture to a shape or a size around what stands out in it."""

    op: ClassVar[str] = "smartcrop"
    follows_content: ClassVar[bool] = True
    mixes_neighbours: ClassVar[bool] = True
    same_frame: ClassVar[bool] = False
    shorthand: ClassVar[str | None] = "ratio"
    example: ClassVar[Mapping[str, str]] = {"ratio": "2:1"}

    ratio: Ratio | None = Field(
        None,
        description="Shape of the result, width:height, e.g. 16:9; by default 1:1. The result is "
        "the largest part of this shape.",
    )
    width: Side | None = Field(
        None,
        description="Width of the result in pixels, with height and without ratio: the part of "
        "that shape is shrunk to it, and never enlarged.",
    )
    height: Side | None = Field(None, description="Height of the result in pixels, with width.")

    @model_validator(mode="after")
    def _one_shape(self) -> SmartCrop:
        if (self.width is None) != (self.height is None):
            raise ValueError("give width and height, or a ratio")
        if self.ratio is not None and self.width is not None:
            raise ValueError("ratio excludes width and height: give one or the other")
        return self

    @property
    def size(self) -> Size | None:
        """The size that the result has at most; None: as large as the picture allows."""
        return None if self.width is None or self.height is None else (self.width, self.height)

    def label(self) -> str:
        if self.size is not None:
            return f"smartcrop-{self.width}x{self.height}"
        return f"smartcrop-{(self.ratio or _SQUARE).replace(':', '-')}"

    def part_size(self, width: int, height: int) -> Size:
        """Return the size of the largest part of the shape."""
        across, down = self.size or map(int, (self.ratio or _SQUARE).split(":"))
        return fitting(across, down, (width, height))

    def output_sizes(self, width: int, height: int) -> list[Size]:
        if self.size is not None and self.size[0] <= width and self.size[1] <= height:
            return [self.size]
        return [self.part_size(width, height)]

    def minimum_decode_size(self, width: int, height: int) -> Size | None:
        if self.size is None:
            return None
        return sufficient_size(covering(width, height, self.size), width, height)
