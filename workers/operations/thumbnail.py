"""Shrink a picture to fit into a box."""

from __future__ import annotations

from models.operations.thumbnail import Thumbnail
from workers.imaging.picture import Picture
from workers.operations import Tools
from workers.operations.resize import resample


def thumbnail(picture: Picture, spec: Thumbnail, tools: Tools) -> Picture:
    """Return ``picture`` shrunk by averaging areas, or unchanged if it fits already."""
    (size,) = spec.output_sizes(*picture.size)
    return resample(picture, size)
