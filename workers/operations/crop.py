"""Crop an image to a rectangle."""

from __future__ import annotations

from models.operations.crop import Crop
from workers.imaging.picture import Picture
from workers.operations import Tools


def crop(picture: Picture, spec: Crop, tools: Tools) -> Picture:
    """Return the rectangle as a view of ``picture``.

    Raises:
        BadParameter: it exceeds the picture.
    """
    ((width, height),) = spec.output_sizes(picture.width, picture.height)
    return picture.window(spec.x, spec.y, width, height)
