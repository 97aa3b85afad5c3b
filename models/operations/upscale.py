"""Upscale: enlarge with a super-resolution network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from models.networks.catalogue import AUTO_MODEL
from models.operations.photo import DEFAULT_STRENGTH, FAITHFUL, PHOTO, Strength, blended
from models.operations.spec import Operation, Size

FaithfulQuality = Literal["fast", "balanced", "best"]
"""Of the bundled networks that add nothing: what each costs and gains is in weights/README.md."""
Quality = Literal[FaithfulQuality, "photo", "auto"]
"""``photo`` is for damaged photographs; ``auto`` takes it for them, and else ``balanced``."""
_TAKE_STRENGTH = (PHOTO, AUTO_MODEL)


class Upscale(Operation):
    """Enlarge a picture with a super-resolution network."""

    op: ClassVar[str] = "upscale"
    runs_network: ClassVar[bool] = True
    shorthand: ClassVar[str | None] = "scale"
    later: ClassVar[frozenset[str]] = frozenset({"strength"})
    costly: ClassVar[bool] = True
    example: ClassVar[Mapping[str, str]] = {"scale": "2"}

    scale: int = Field(2, ge=1, le=1000, description="How many times wider and higher.")
    quality: Quality | None = Field(
        None,
        description="How long the work may take: balanced, unless a model is named. photo is for "
        "damaged photographs (noise, JPEG), auto takes photo for them and else balanced.",
        exclude=True,  # the model says it: one network is one task, however it was asked for
    )
    model: str = Field(
        "darkroom-balanced", max_length=64, description="Name of a network, instead of a quality."
    )
    strength: Strength | None = Field(
        None,
        description="With photo and auto: percent of the photo network's result, the rest is "
        f"balanced; {DEFAULT_STRENGTH} if it is not said.",
    )

    @model_validator(mode="before")
    @classmethod
    def _model_of_quality(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        values = dict(given)
        if values.get("quality") in get_args(Quality):
            if "model" in values:
                raise ValueError("quality and model both name the network: leave one of them out")
            values["model"] = f"darkroom-{values.pop('quality')}"
        if values.get("model") in _TAKE_STRENGTH and values.get("strength") is None:
            values["strength"] = DEFAULT_STRENGTH
        return values

    @model_validator(mode="after")
    def _fitting_model(self) -> Self:
        if self.model not in _TAKE_STRENGTH:
            if self.strength is not None:
                raise ValueError(
                    "strength is how much of the photo network's result is taken: send it with "
                    f"quality=photo or quality=auto (the network is {self.model})"
                )
        elif self.scale == 1:
            raise ValueError(
                "scale is 1, at which no picture is enlarged: send 2, 3 or 4, or use the "
                "operation restore, which mends a photograph at its size"
            )
        return self

    def label(self) -> str:
        return f"upscale-x{self.scale}"

    def output_sizes(self, width: int, height: int) -> list[Size]:
        return [(width * self.scale, height * self.scale)]

    def networks(self) -> Sequence[tuple[str, int]]:
        if self.strength is None:
            return [(self.model, self.scale)]
        needed = blended(self.strength, self.scale)
        faithful = (FAITHFUL, self.scale)
        return (
            [*needed, faithful] if self.model == AUTO_MODEL and faithful not in needed else needed
        )

    def network_label(self) -> str:
        return f"{self.model}-x{self.scale}" if self.model == AUTO_MODEL else ""
