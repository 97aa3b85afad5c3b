"""Crop: a rectangle of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from models.errors import BadParameter
from models.operations.spec import MAX_REQUESTED_SIDE, Operation, Side, Size


class Crop(Operation):
    """Keep a rectangle of a picture, which must lie inside it."""

    op: ClassVar[str] = "crop"
    same_frame: ClassVar[bool] = False
    example: ClassVar[Mapping[str, str]] = {
        "x": "5",
        "y": "0",
        "width": "90",
        "height": "105",
    }

    x: int = Field(
        0, ge=0, le=MAX_REQUESTED_SIDE, description="First column that is kept, from the left."
    )
    y: int = Field(
        0, ge=0, le=MAX_REQUESTED_SIDE, description="First row that is kept, from the top."
    )
    width: Side = Field(description="Width of the rectangle in pixels.")
    height: Side = Field(description="Height of the rectangle in pixels.")

    def label(self) -> str:
        corner = f"-at-{self.x}-{self.y}" if self.x or self.y else ""
        return f"crop-{self.width}x{self.height}{corner}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        """Return the size of the rectangle.

        Raises:
            BadParameter: it reaches past the picture; says how far it may reach.
        """
        right, bottom = self.x + self.width, self.y + self.height
        if right > width or bottom > height:
            raise BadParameter(
                f"crop: the picture is {width} x {height} pixels, and the rectangle reaches to "
                f"{right} x {bottom}; x + width may be at most {width}, "
                f"y + height at most {height}",
                limit=[width, height],
                measured=[right, bottom],
            )
        return [(self.width, self.height)]
