"""Write a picture in another format."""

from __future__ import annotations

from models.operations.convert import Convert
from workers.imaging.picture import Picture
from workers.operations import Tools


def convert(picture: Picture, spec: Convert, tools: Tools) -> Picture:
    """Return ``picture`` as it is: ``spec.encoding()`` says how the pipeline writes it."""
    return picture
