"""The spec of adjust: brightness, contrast, saturation and gamma."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from models.operations.spec import Operation

_MAX_GAMMA = 10.0
Percent = Annotated[int, Field(ge=-100, le=100)]


class Adjust(Operation):
    """Change brightness, contrast, gamma and saturation, in this order; transparency stays."""

    op: ClassVar[str] = "adjust"
    example: ClassVar[Mapping[str, str]] = {
        "brightness": "10",
        "contrast": "20",
        "saturation": "40",
    }

    brightness: Percent = Field(
        0, description="Percent more light: -100 is black, 100 doubles every value."
    )
    contrast: Percent = Field(
        0, description="Percent more distance from middle gray: -100 is gray, 100 doubles it."
    )
    saturation: Percent = Field(
        0, description="Percent more colour: -100 takes it out, 100 doubles it; gray stays gray."
    )
    gamma: float = Field(
        1.0,
        ge=1 / _MAX_GAMMA,
        le=_MAX_GAMMA,
        allow_inf_nan=False,
        description="Above 1 shadows get lighter, below 1 darker; black and white stay.",
    )

    def label(self) -> str:
        said = {
            "b": self.brightness,
            "c": self.contrast,
            "s": self.saturation,
            "g": 0 if self.gamma == 1 else self.gamma,
        }
        return "-".join(["adjust", *(f"{name}{value:g}" for name, value in said.items() if value)])

    def cost(self) -> float:
        return 2.0
