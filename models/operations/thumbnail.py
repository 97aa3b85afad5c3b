"""The spec of thumbnail: fit into a box, never larger than before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from models.operations.fit import (
    COLOUR_WORDS,
    FIT_WORDS,
    Colour,
    Fit,
    check_colour,
    covering,
    fitting,
    padded_channels,
)
from models.operations.spec import Operation, Side, Size, sufficient_size

_SIDE: TypeAdapter[int] = TypeAdapter(Side)


class Thumbnail(Operation):
    """Shrink a picture to fit into a box, keeping its shape; it is never enlarged."""

    op: ClassVar[str] = "thumbnail"
    mixes_neighbours: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "width"
    later: ClassVar[frozenset[str]] = frozenset({"fit", "colour"})
    example: ClassVar[Mapping[str, str]] = {"width": "100"}

    width: Side = Field(100, description="Width of the box in pixels; given alone, its height too.")
    height: Side = Field(
        100, description="Height of the box in pixels; given alone, its width too."
    )
    fit: Fit = Field("contain", description=f"{FIT_WORDS} None of them enlarges it.")
    colour: Colour | None = Field(None, description=COLOUR_WORDS)

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

    @model_validator(mode="after")
    def _colour_of_padding(self) -> Thumbnail:
        check_colour(self.fit, self.colour)
        return self

    def label(self) -> str:
        fit = "" if self.fit == "contain" else f"-{self.fit}"
        return f"thumbnail-{self.width}x{self.height}{fit}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        if self.fit == "pad":
            return [(self.width, self.height)]
        drawn = self.drawn_size(width, height)
        return [(min(drawn[0], self.width), min(drawn[1], self.height))]

    def largest_sizes(self, width: int, height: int) -> list[Size]:
        if self.fit == "pad":
            return [(self.width, self.height)]
        return [(min(width, self.width), min(height, self.height))]

    def drawn_size(self, width: int, height: int) -> Size:
        """Return the size that the whole picture gets, before it is cut or padded."""
        box = (self.width, self.height)
        drawn = (covering if self.fit == "cover" else fitting)(width, height, box)
        return drawn if drawn[0] <= width and drawn[1] <= height else (width, height)

    def output_channels(self, channels: int) -> int:
        return padded_channels(channels, self.colour)

    def minimum_decode_size(self, width: int, height: int) -> Size | None:
        return sufficient_size(self.drawn_size(width, height), width, height)
