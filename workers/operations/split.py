"""Cut a picture into four quadrants."""

from __future__ import annotations

from models.operations.split import Split
from workers.imaging.picture import Picture
from workers.operations import Tools


def split(picture: Picture, spec: Split, tools: Tools) -> list[Picture]:
    """Return the quadrants: top left, top right, bottom left, bottom right.

    They are views: four copies would hold a large picture in memory twice.
    """
    left, top = spec.output_sizes(picture.width, picture.height)[0]
    return [
        picture.window(x, y, width, height)
        for y, height in ((0, top), (top, picture.height - top))
        for x, width in ((0, left), (left, picture.width - left))
    ]
