"""The spec of rotate: by quarter turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, field_validator

from models.operations.spec import Operation, Size

_TEN_TURNS = 3600  # degrees; without a limit an angle could have thousands of digits


class Rotate(Operation):
    """Turn a picture clockwise by quarter turns; no pixel is changed."""

    op: ClassVar[str] = "rotate"
    same_frame: ClassVar[bool] = False
    shorthand: ClassVar[str | None] = "angle"
    example: ClassVar[Mapping[str, str]] = {"angle": "90"}

    angle: int = Field(
        ge=-_TEN_TURNS,
        le=_TEN_TURNS,
        description="Degrees clockwise: 90, 180 or 270; negative ones turn the other way.",
        json_schema_extra={"multipleOf": 90, "not": {"multipleOf": 360}},
    )

    @field_validator("angle")
    @classmethod
    def _quarter(cls, angle: int) -> int:
        turned = angle % 360
        if turned not in {90, 180, 270}:
            raise ValueError("pictures turn by 90, 180 or 270 degrees, or by -90, -180 or -270")
        return turned

    def label(self) -> str:
        return f"rotate-{self.angle}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        return [(width, height) if self.angle == 180 else (height, width)]
