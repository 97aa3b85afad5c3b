"""The spec of thumbnail: fit into a box, never larger than before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from models.operations.spec import Operation, Side, Size, proportional, sufficient_size

_SIDE: TypeAdapter[int] = TypeAdapter(Side)


class Thumbnail(Operation):
    """Shrink a picture to fit into a box, keeping its shape; it is never enlarged."""

    op: ClassVar[str] = "thumbnail"
    mixes_neighbours: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "width"
    example: ClassVar[Mapping[str, str]] = {"width": "100"}

    width: Side = Field(100, description="Width of the box in pixels; given alone, its height too.")
    height: Side = Field(
        100, description="Height of the box in pixels; given alone, its width too."
    )

    @model_validator(mode="before")
    @classmethod
    def _square(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given.keys() & {"width", "height"}) == 1:
            (side,) = (given[name] for name in ("width", "height") if name in given)
            try:
                both = _SIDE.validate_python(side)
            except ValidationError:  # reported once, for the side that was given
                return given
            return {"width": both, "height": both, **given}
        return given

    def label(self) -> str:
        return f"thumbnail-{self.width}x{self.height}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        if width <= self.width and height <= self.height:
            return [(width, height)]
        if width * self.height >= height * self.width:  # the box is too narrow before it is too low
            return [(self.width, proportional(height, self.width, width))]
        return [(proportional(width, self.height, height), self.height)]

    def minimum_decode_size(self, width: int, height: int) -> Size | None:
        return sufficient_size(self.output_sizes(width, height)[0], width, height)
