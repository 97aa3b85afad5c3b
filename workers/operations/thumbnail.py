"""Shrink a picture to fit into a box."""

from __future__ import annotations

from models.operations.fit import rgba
from models.operations.thumbnail import Thumbnail
from workers.imaging import framing
from workers.imaging.picture import Picture
from workers.operations import Tools
from workers.operations.resize import resample


def thumbnail(picture: Picture, spec: Thumbnail, tools: Tools) -> Picture:
    """Return ``picture`` shrunk by averaging areas, or as large as it is if it fits already."""
    (size,) = spec.output_sizes(*picture.size)
    if spec.fit == "cover":
        return resample(framing.part(picture, size), size)
    made = resample(picture, spec.drawn_size(*picture.size))
    return framing.pad(made, size, rgba(spec.colour)) if spec.fit == "pad" else made
