"""Convert: the same pixels in another file format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from models.images.inspect import OutputFormat
from models.operations.spec import Encoding, Operation


class Convert(Operation):
    """Write a picture in another format or quality; its pixels are not touched."""

    op: ClassVar[str] = "convert"
    shorthand: ClassVar[str | None] = "format"
    example: ClassVar[Mapping[str, str]] = {"format": "webp", "quality": "80"}

    format: OutputFormat = Field(description="Format of the result; jpg is jpeg.")
    quality: Annotated[int, Field(ge=1, le=100)] | Literal["lossless"] | None = Field(
        None,
        description="Quality of a JPEG or WebP, higher is larger, or lossless for a WebP; PNG is "
        "always lossless. By default as JPEG_QUALITY and WEBP_QUALITY say.",
    )

    @field_validator("format", mode="before")
    @classmethod
    def _spelt(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        lower = given.strip().lower()
        return "jpeg" if lower == "jpg" else lower

    @field_validator("quality", mode="wrap")
    @classmethod
    def _one_error(cls, given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(given)
        except ValidationError:  # it has one for each kind of value
            raise ValueError("send a whole number from 1 to 100, or lossless") from None

    @model_validator(mode="after")
    def _quality_that_the_format_has(self) -> Convert:
        if self.format == "png" and isinstance(self.quality, int):
            raise ValueError(
                "PNG loses nothing and has no number as quality: leave it out, or ask for jpeg or "
                "webp"
            )
        if self.format == "jpeg" and self.quality == "lossless":
            raise ValueError("JPEG is never lossless: send 1 to 100, or ask for webp or png")
        return self

    def label(self) -> str:
        if self.quality is None:
            return "convert"
        return f"convert-{'q' if isinstance(self.quality, int) else ''}{self.quality}"

    def encoding(self) -> Encoding:
        return Encoding(self.format, self.quality)


def is_encoded_quality(text: str) -> bool:
    """Tell whether ``text`` is meant as a quality of a file, not as that of a network."""
    return text == "lossless" or text.lstrip("+-").isdigit()
