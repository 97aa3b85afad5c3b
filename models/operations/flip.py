"""The spec of flip: mirrored left to right, or top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from models.operations.spec import Operation

Direction = Literal["horizontal", "vertical"]


class Flip(Operation):
    """Mirror a picture left to right or top to bottom; no pixel is changed."""

    op: ClassVar[str] = "flip"
    same_frame: ClassVar[bool] = False
    shorthand: ClassVar[str | None] = "direction"
    example: ClassVar[Mapping[str, str]] = {"direction": "horizontal"}

    direction: Direction = Field(
        "horizontal", description="horizontal: left becomes right; vertical: top becomes bottom."
    )

    def label(self) -> str:
        return f"flip-{self.direction}"
