"""Resize an image."""

from __future__ import annotations

import cv2

from models.operations.resize import EnlargingFilter, Resize
from workers.imaging.picture import Picture
from workers.imaging.resample import resample
from workers.operations import Tools

_FILTERS: dict[EnlargingFilter, int] = {
    "lanczos": cv2.INTER_LANCZOS4,
    "cubic": cv2.INTER_CUBIC,
}


def resize(picture: Picture, spec: Resize, tools: Tools) -> Picture:
    """Return ``picture`` in the size that ``spec`` asks for."""
    (size,) = spec.output_sizes(*picture.size)
    return resample(picture, size, _FILTERS[spec.filter])
