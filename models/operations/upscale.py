"""Upscale: enlarge with a super-resolution network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from models.networks.catalogue import Catalogue, Weights
from models.operations.spec import Operation, Size

Quality = Literal["fast", "balanced", "best"]
"""Of the bundled networks: what each costs and gains is in weights/README.md."""


class Upscale(Operation):
    """Enlarge a picture with a super-resolution network."""

    op: ClassVar[str] = "upscale"
    runs_network: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "scale"
    costly: ClassVar[bool] = True
    example: ClassVar[Mapping[str, str]] = {"scale": "2"}

    scale: int = Field(2, ge=1, le=1000, description="How many times wider and higher.")
    quality: Quality | None = Field(
        None,
        description="How long the work may take: balanced, unless a model is named.",
        exclude=True,  # the model says it: one network is one task, however it was asked for
    )
    model: str = Field(
        "darkroom-balanced", max_length=64, description="Name of a network, instead of a quality."
    )

    @model_validator(mode="before")
    @classmethod
    def _model_of_quality(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("quality") not in get_args(Quality):
            return given
        if "model" in given:
            raise ValueError("quality and model both name the network: leave one of them out")
        rest = {name: value for name, value in given.items() if name != "quality"}
        return {**rest, "model": f"darkroom-{given['quality']}"}

    def label(self) -> str:
        return f"upscale-x{self.scale}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        return [(width * self.scale, height * self.scale)]

    def weights(self, catalogue: Catalogue) -> Weights | None:
        return catalogue.find(self.model, self.scale)
