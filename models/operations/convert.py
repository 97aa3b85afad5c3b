"""Convert: the same pixels in another file format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from models.images.inspect import OutputFormat
from models.operations.spec import Encoding, Operation


class Convert(Operation):
    """Write a picture in another format or quality; its pixels are not touched."""

    op: ClassVar[str] = "convert"
    shorthand: ClassVar[str | None] = "format"
    example: ClassVar[Mapping[str, str]] = {"format": "webp", "quality": "80"}

    format: OutputFormat = Field(description="Format of the result; jpg is jpeg.")
    quality: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Quality of a JPEG or WebP, higher is larger; PNG has none. "
        "By default as JPEG_QUALITY and WEBP_QUALITY say.",
    )

    @field_validator("format", mode="before")
    @classmethod
    def _spelt(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        lower = given.strip().lower()
        return "jpeg" if lower == "jpg" else lower

    @model_validator(mode="after")
    def _no_quality_without_loss(self) -> Convert:
        if self.format == "png" and self.quality is not None:
            raise ValueError(
                "PNG loses nothing and has no quality: leave it out, or ask for jpeg or webp"
            )
        return self

    def label(self) -> str:
        return "convert" if self.quality is None else f"convert-q{self.quality}"

    def encoding(self) -> Encoding:
        return Encoding(self.format, self.quality)
