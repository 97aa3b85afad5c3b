"""Keep a rectangle of a picture."""

from __future__ import annotations

from models.operations.crop import Crop
from workers.imaging.picture import Picture
from workers.operations import Tools


def crop(picture: Picture, spec: Crop, tools: Tools) -> Picture:
    """Return the rectangle as a view into ``picture``.

    Raises:
        BadParameter: it reaches past the picture.
    """
    ((width, height),) = spec.output_sizes(picture.width, picture.height)
    return picture.window(spec.x, spec.y, width, height)
