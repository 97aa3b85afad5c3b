"""Convert an image to another format."""

from __future__ import annotations

from models.operations.convert import Convert
from workers.imaging.picture import Picture
from workers.operations import Tools


def convert(picture: Picture, spec: Convert, tools: Tools) -> Picture:
    """Return ``picture`` unchanged: the pipeline writes it as ``spec.encoding()`` says."""
    return picture
