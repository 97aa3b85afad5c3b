"""How a picture goes into a box of another shape: sizes, and the colour of what is added."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from models.operations.spec import Size, proportional

Fit = Literal["cover", "contain", "pad"]
FIT_WORDS = (
    "contain: as large as fits into the box; cover: fills the box, and what reaches beyond it is "
    "cut off on both sides; pad: as contain, with a colour around it up to the box."
)
COLOUR_WORDS = (
    "Colour around a padded picture: #rrggbb, #rrggbbaa, white, black or transparent; by default "
    "white. A gray picture gets the gray of it."
)

_WORDS = {"white": "#ffffff", "black": "#000000", "transparent": "#ffffff00"}
_HEX = re.compile("#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)
_OPAQUE = 255


def _canonical(colour: str) -> str:
    """Return ``#rrggbb``, or ``#rrggbbaa`` if it is not opaque."""
    found = _HEX.fullmatch(_WORDS.get(colour, colour))
    if found is None:
        raise ValueError("send #rgb, #rrggbb, #rrggbbaa, white, black or transparent")
    digits = found[1].lower()
    if len(digits) <= len("rgba"):
        digits = "".join(2 * digit for digit in digits)
    return f"#{digits.removesuffix('ff') if len(digits) == len('rrggbbaa') else digits}"


Colour = Annotated[
    str,
    AfterValidator(_canonical),
    Field(
        max_length=len("transparent"),
        json_schema_extra={
            "pattern": f"^({'|'.join(_WORDS)}|#?([0-9a-fA-F]{{3,4}}|"
            "[0-9a-fA-F]{6}|[0-9a-fA-F]{8}))$"
        },
    ),
]


def check_colour(fit: str, colour: str | None) -> None:
    """Return if ``colour`` goes with ``fit``.

    Raises:
        ValueError: there is a colour, and nothing that gets it.
    """
    if colour is not None and fit != "pad":
        raise ValueError(f"colour is for fit=pad, not for fit={fit}: leave it out")


def rgba(colour: str | None) -> tuple[int, int, int, int]:
    """Return red, green, blue and opacity, 0 to 255, of a canonical colour; None: white."""
    red, green, blue, *opacity = bytes.fromhex((colour or _WORDS["white"])[1:])
    return red, green, blue, opacity[0] if opacity else _OPAQUE


def padded_channels(channels: int, colour: str | None) -> int:
    """Return how many channels a picture has after padding: with alpha if the colour needs it."""
    return channels + (channels in {1, 3} and rgba(colour)[3] < _OPAQUE)


def fitting(width: int, height: int, box: Size) -> Size:
    """Return the largest size of the shape of ``width`` x ``height`` that fits into ``box``."""
    if width * box[1] >= height * box[0]:  # the box is too narrow before it is too low
        return (box[0], proportional(height, box[0], width))
    return (proportional(width, box[1], height), box[1])


def covering(width: int, height: int, box: Size) -> Size:
    """Return the smallest size of the shape of ``width`` x ``height`` that covers ``box``."""
    if width * box[1] >= height * box[0]:
        return (-(-width * box[1] // height), box[1])
    return (box[0], -(-height * box[0] // width))
