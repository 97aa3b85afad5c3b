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

from models.images.inspect import ANIMATED_FORMATS, OutputFormat, names_of
from models.operations.spec import Encoding, Frames, Operation

_MOST_BYTES = 10**10  # no result is larger, and MongoDB stores no number of any length


class Convert(Operation):
    """Write a picture in another format or quality; its pixels are not touched."""

    op: ClassVar[str] = "convert"
    shorthand: ClassVar[str | None] = "format"
    later: ClassVar[frozenset[str]] = frozenset({"progressive", "max_bytes", "frames"})
    example: ClassVar[Mapping[str, str]] = {"format": "webp", "quality": "80"}

    format: OutputFormat = Field(
        description="Format of the result; jpg is jpeg, and gif needs frames=all."
    )
    quality: Annotated[int, Field(ge=1, le=100)] | Literal["lossless"] | None = Field(
        None,
        description="Quality of a JPEG, WebP or AVIF, higher is larger, or lossless for a WebP; "
        "PNG is always lossless. By default as JPEG_QUALITY and WEBP_QUALITY say, and 75 for AVIF.",
    )
    progressive: int = Field(
        0,
        ge=0,
        le=1,
        description="1: a JPEG that browsers show coarse at first, then fine; it is a little "
        "smaller.",
    )
    max_bytes: int | None = Field(
        None,
        ge=1,
        le=_MOST_BYTES,
        title="Max bytes",
        description="Most bytes of the file: the highest quality that fits is searched for, from "
        "quality downwards.",
    )
    frames: Frames = Field(
        "first",
        description="all: of an animated GIF, WebP or PNG all frames are kept, in a WebP, GIF or "
        "PNG; first: the first of them.",
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
        if self.format in {"png", "gif"} and isinstance(self.quality, int):
            loses = "PNG loses nothing" if self.format == "png" else "GIF has up to 256 colours"
            raise ValueError(
                f"{loses} and has no number as quality: leave it out, or ask for jpeg, webp or avif"
            )
        if self.format in {"jpeg", "avif", "gif"} and self.quality == "lossless":
            raise ValueError(
                f"{self.format.upper()} is never lossless here: send 1 to 100, or ask for webp or "
                "png"
            )
        if self.progressive and self.format != "jpeg":
            raise ValueError(f"progressive is for jpeg, not for {self.format}: leave it out")
        self._check_animation()
        if self.max_bytes is not None and (
            self.format in {"png", "gif"} or self.quality == "lossless"
        ):
            raise ValueError(
                "max_bytes needs a quality that can be lowered: ask for jpeg, webp or avif, and "
                "not for lossless"
            )
        return self

    def _check_animation(self) -> None:
        if self.frames == "first":
            if self.format == "gif":
                raise ValueError(
                    "gif is written for animations only: send frames=all, too, or ask for png or "
                    "webp"
                )
            return
        if self.format not in ANIMATED_FORMATS:
            raise ValueError(
                f"{self.format.upper()} holds no animation here: ask for "
                f"{names_of(ANIMATED_FORMATS)}, or leave out frames=all"
            )
        if self.max_bytes is not None:
            raise ValueError("max_bytes is for still pictures: leave it out, or frames=all")

    def label(self) -> str:
        parts = ["convert"]
        if self.quality is not None:
            parts.append(f"{'q' if isinstance(self.quality, int) else ''}{self.quality}")
        if self.progressive:
            parts.append("progressive")
        if self.max_bytes is not None:
            parts.append(f"{self.max_bytes}b")
        if self.frames == "all":
            parts.append("animated")
        return "-".join(parts)

    def encoding(self) -> Encoding:
        searched = self.max_bytes
        return Encoding(self.format, self.quality, bool(self.progressive), searched, self.frames)


def is_encoded_quality(text: str) -> bool:
    """Tell whether ``text`` is meant as a quality of a file, not as that of a network."""
    return text == "lossless" or text.lstrip("+-").isdigit()
