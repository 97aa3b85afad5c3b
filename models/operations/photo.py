"""The networks for damaged photographs: their names, and how strongly they work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

PHOTO = "darkroom-photo"
"""For x1 to x4: takes noise and traces of JPEG away, and sharpens."""
FAITHFUL = "darkroom-balanced"
"""What PHOTO is blended with, for x2 to x4; at x1 that is the picture itself."""

DEFAULT_STRENGTH = 65
"""Of the photo network's result; chosen by eye, and so that PSNR of luma stays within 0.3 dB of
bicubic's: at 100 skin and foliage look painted (weights/README.md)."""
Strength = Annotated[int, Field(ge=0, le=100)]
"""Percent of the photo network's result; the rest is the faithful one's."""


def blended(strength: int, scale: int) -> Sequence[tuple[str, int]]:
    """Return (name, scale) of the networks that ``strength`` needs, PHOTO first."""
    photo = [(PHOTO, scale)] if strength > 0 else []
    return [*photo, (FAITHFUL, scale)] if strength < 100 and scale > 1 else photo
