"""The spec of resize: to another size, larger or smaller, by classical filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from models.errors import BadParameter
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
from models.operations.spec import Operation, Side, Size, proportional, sufficient_size

EnlargingFilter = Literal["lanczos", "cubic"]
"""Filters for enlarging; shrinking always averages areas."""


class Resize(Operation):
    """Give a picture another size: by a factor, or by its new width, height or both."""

    op: ClassVar[str] = "resize"
    mixes_neighbours: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "scale"
    later: ClassVar[frozenset[str]] = frozenset({"fit", "colour"})
    example: ClassVar[Mapping[str, str]] = {"scale": "0.5"}

    scale: float | None = Field(
        None,
        ge=0.05,
        lt=100,
        allow_inf_nan=False,
        description="How many times wider and higher; excludes width and height.",
    )
    width: Side | None = Field(None, description="New width in pixels; alone, the shape is kept.")
    height: Side | None = Field(None, description="New height in pixels; alone, the shape is kept.")
    filter: EnlargingFilter = Field(
        "lanczos", description="Filter for enlarging; shrinking averages areas."
    )
    fit: Literal["stretch", Fit] = Field(
        "stretch",
        description="How it goes into width and height. stretch: both sides exactly, whatever the "
        f"shape; {FIT_WORDS}",
    )
    colour: Colour | None = Field(None, description=COLOUR_WORDS)

    @model_validator(mode="after")
    def _one_way(self) -> Resize:
        sides = self.width is not None or self.height is not None
        if self.scale is None and not sides:
            raise ValueError("give a scale, or a width, a height or both in pixels")
        if self.scale is not None and sides:
            raise ValueError("scale excludes width and height: give one or the other")
        if self.fit != "stretch" and (self.width is None or self.height is None):
            raise ValueError(f"fit={self.fit} needs a box: give width and height in pixels")
        check_colour(self.fit, self.colour)
        return self

    def label(self) -> str:
        if self.scale is not None:
            return f"resize-x{self.scale:g}"
        if self.width is not None and self.height is not None:
            fit = "" if self.fit == "stretch" else f"-{self.fit}"
            return f"resize-{self.width}x{self.height}{fit}"
        return f"resize-h{self.height}" if self.width is None else f"resize-w{self.width}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        if self.scale is not None:
            new = (math.floor(side * self.scale + 0.5) for side in (width, height))
            return [(max(1, next(new)), max(1, next(new)))]
        if self.width is None:
            assert self.height is not None
            return [(proportional(width, self.height, height), self.height)]
        if self.height is None:
            return [(self.width, proportional(height, self.width, width))]
        if self.fit == "contain":
            return [self.drawn_size(width, height)]
        return [(self.width, self.height)]

    def largest_sizes(self, width: int, height: int) -> list[Size]:
        self.check_bounded()
        if self.width is None or self.height is None:
            return self.output_sizes(width, height)
        return [(self.width, self.height)]

    def check_bounded(self) -> None:
        if self.scale is None and (self.width is None or self.height is None):
            given = "width" if self.height is None else "height"
            raise BadParameter(
                f"resize: after trim the picture has a shape that is not known before, and {given} "
                "alone could make a huge one of a thin one: give width and height (fit=contain "
                "keeps the shape), or a scale, or resize before trim",
                parameter=given,
            )

    def drawn_size(self, width: int, height: int) -> Size:
        """Return the size that the whole picture gets, before it is cut or padded."""
        if self.width is None or self.height is None or self.fit == "stretch":
            return self.output_sizes(width, height)[0]
        box = (self.width, self.height)
        return (covering if self.fit == "cover" else fitting)(width, height, box)

    def output_channels(self, channels: int) -> int:
        return padded_channels(channels, self.colour)

    def minimum_decode_size(self, width: int, height: int) -> Size | None:
        return sufficient_size(self.drawn_size(width, height), width, height)
