"""The spec of trim: a picture without the border of one colour around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from models.operations.fit import Colour
from models.operations.spec import MAX_REQUESTED_SIDE, Operation


class Trim(Operation):
    """Cut off the border of a picture that has one colour, or is transparent."""

    op: ClassVar[str] = "trim"
    finds_size: ClassVar[bool] = True
    follows_content: ClassVar[bool] = True
    same_frame: ClassVar[bool] = False
    shorthand: ClassVar[str | None] = "tolerance"
    example: ClassVar[Mapping[str, str]] = {"padding": "4"}

    tolerance: int = Field(
        20,
        ge=0,
        le=255,
        description="How much a pixel of the border may differ from its colour, in each of red, "
        "green, blue and opacity, in levels of 0 to 255 (also where samples have 16 bits). 20 "
        "covers most of what a JPEG adds beside edges; 0: not at all.",
    )
    padding: int = Field(
        0,
        ge=0,
        le=MAX_REQUESTED_SIDE,
        description="How many pixels of the border stay on each side; no more than there are.",
    )
    colour: Colour | None = Field(
        None,
        description="Colour of the border: #rrggbb, #rrggbbaa, white, black or transparent; by "
        "default that of the top left pixel. In a gray picture it is the gray of it.",
    )

    def cost(self) -> float:
        return 0.1
