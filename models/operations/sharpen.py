"""The spec of sharpen: an unsharp mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from models.operations.blur import MAX_SIGMA_PIXELS
from models.operations.spec import Operation

_MIN_RADIUS_PIXELS = 0.3  # below it a Gaussian changes less than a level
_MAX_AMOUNT_PERCENT = 500
_MAX_THRESHOLD_LEVELS = 255


class Sharpen(Operation):
    """Sharpen a picture with an unsharp mask; transparency stays."""

    op: ClassVar[str] = "sharpen"
    mixes_neighbours: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "amount"
    example: ClassVar[Mapping[str, str]] = {"amount": "150"}

    amount: int = Field(
        100,
        ge=1,
        le=_MAX_AMOUNT_PERCENT,
        description="Percent of the difference from the blurred picture that is added.",
    )
    radius: float = Field(
        1.5,
        ge=_MIN_RADIUS_PIXELS,
        le=MAX_SIGMA_PIXELS,
        allow_inf_nan=False,
        description="Standard deviation of the blur in pixels: how wide the edges are that it "
        "sharpens.",
    )
    threshold: float = Field(
        0,
        ge=0,
        le=_MAX_THRESHOLD_LEVELS,
        allow_inf_nan=False,
        description="What differs by less stays, so that noise is not sharpened; in levels of 255, "
        "by which larger differences are reduced, too.",
    )

    def label(self) -> str:
        threshold = f"-t{self.threshold:g}" if self.threshold else ""
        return f"sharpen-{self.amount}-r{self.radius:g}{threshold}"

    def cost(self) -> float:
        return 2.0 + 12 * self.radius / 9  # tiles have margins as wide as the kernel
