"""The spec of watermark: a text over a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

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


def _opaque(colour: str) -> str:
    if rgba(colour)[3] < _OPAQUE:
        raise ValueError("it has an opacity of its own: send #rrggbb, and opacity beside it")
    return colour


class Watermark(Operation):
    """Write a text over a picture, in one place or all over it."""

    op: ClassVar[str] = "watermark"
    shorthand: ClassVar[str | None] = "text"
    example: ClassVar[Mapping[str, str]] = {"text": "© Ada Lovelace", "size": "9"}

    text: Text = Field(
        description="One line of Latin, Greek, Cyrillic, Chinese, Japanese or Korean letters, "
        "digits and signs."
    )
    place: Place = Field(
        "bottom-right", description="Where the text stands; tile: again and again, all over."
    )
    size: int = Field(
        5,
        ge=1,
        le=_MAX_SIZE,
        description="Size of the letters, in percent of the picture's shorter side; less where "
        "the text would be wider than the picture.",
    )
    opacity: int = Field(
        50, ge=1, le=100, description="How much of the text shows, in percent; 100 hides all below."
    )
    colour: Annotated[Colour, AfterValidator(_opaque)] = Field(
        "#ffffff",
        description="Colour of the letters: #rrggbb, white or black. Their edge is black or white, "
        "whichever differs more. A gray picture gets the gray of it.",
    )

    def label(self) -> str:
        return "watermark-tile" if self.place == "tile" else "watermark"

    def cost(self) -> float:
        return 2.0
