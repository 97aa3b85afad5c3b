"""Upscale: enlarge with a super-resolution network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from models.catalogue import Catalogue, Weights
from models.operations.spec import Operation, Size


class Upscale(Operation):
    """Enlarge a picture with a super-resolution network."""

    op: ClassVar[str] = "upscale"
    shorthand: ClassVar[str | None] = "scale"
    costly: ClassVar[bool] = True
    example: ClassVar[Mapping[str, str]] = {"scale": "2"}

    scale: int = Field(2, ge=1, le=1000, description="How many times wider and higher.")
    model: str = Field("darkroom-fast", max_length=64, description="Name of the network.")

    def label(self) -> str:
        return f"upscale-x{self.scale}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        return [(width * self.scale, height * self.scale)]

    def weights(self, catalogue: Catalogue) -> Weights | None:
        return catalogue.find(self.model, self.scale)
