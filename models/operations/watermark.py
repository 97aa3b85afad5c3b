"""The spec of watermark: a text or a small picture over a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.operations.fit import Colour, rgba
from models.operations.lettering import Text
from models.operations.spec import Operation

Place = Literal[
    "top-left",
    "top",
    "top-right",
    "left",
    "center",
    "right",
    "bottom-left",
    "bottom",
    "bottom-right",
    "tile",
]
_MAX_SIZE = 25  # percent: the drawn text then takes less memory than the picture
_OPAQUE = 255
_SHARE = 20  # percent

FIELD = "watermark_image"
"""The field of a form that brings the picture of a watermark."""


def _opaque(colour: str) -> str:
    if rgba(colour)[3] < _OPAQUE:
        raise ValueError("it has an opacity of its own: send #rrggbb, and opacity beside it")
    return colour


class Watermark(Operation):
    """Lay a text or a small picture over a picture, in one place or all over it."""

    op: ClassVar[str] = "watermark"
    shorthand: ClassVar[str | None] = "text"
    later: ClassVar[frozenset[str]] = frozenset({"picture", "share"})
    example: ClassVar[Mapping[str, str]] = {"text": "© Ada Lovelace", "size": "9"}

    text: Text | None = Field(
        None,
        description="One line of Latin, Greek, Cyrillic, Chinese, Japanese or Korean letters, "
        "digits and signs. Or a picture, which comes as the file watermark_image.",
    )
    place: Place = Field(
        "bottom-right",
        description="Where the watermark stands; tile: again and again, all over.",
    )
    size: int = Field(
        5,
        ge=1,
        le=_MAX_SIZE,
        description="Size of the letters, in percent of the picture's shorter side; less where "
        "the text would be wider than the picture.",
    )
    opacity: int = Field(
        50,
        ge=1,
        le=100,
        description="How much of the watermark shows, in percent; 100 hides all below.",
    )
    colour: Annotated[Colour, AfterValidator(_opaque)] = Field(
        "#ffffff",
        description="Colour of the letters: #rrggbb, white or black. Their edge is black or white, "
        "whichever differs more. A gray picture gets the gray of it.",
    )

    picture: str | None = Field(
        None,
        max_length=64,
        pattern=f"^({FIELD}|[0-9a-f]{{64}})$",
        description="watermark_image, in place of a text: the file that the form brings under this "
        "name, a PNG or JPEG. A task shows its SHA-256.",
    )
    share: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Width of the watermark's picture, in percent of the whole width; "
        f"{_SHARE} if it is not said, and less where it would be too high.",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_share(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("picture") and given.get("share") is None:
            return {**given, "share": _SHARE}
        return given

    @model_validator(mode="after")
    def _text_or_picture(self) -> Self:
        fields = type(self).model_fields
        if self.picture is None:
            if self.text is None:
                raise ValueError(
                    f"text is missing: give one line, or a picture as the file {FIELD}"
                )
            if self.share is not None:
                raise ValueError("share is of a watermark that is a picture: a text has a size")
        elif self.text is not None:
            raise ValueError(f"text and {FIELD} are two watermarks: send one of them")
        elif (self.size, self.colour) != (fields["size"].default, fields["colour"].default):
            raise ValueError("size and colour are those of a text: a picture has a share")
        return self

    def label(self) -> str:
        return "watermark-tile" if self.place == "tile" else "watermark"

    def cost(self) -> float:
        return 2.0

    def second_pixels(self, width: int, height: int) -> int:
        return 0 if self.share is None else height * max(1, round(width * self.share / 100))
