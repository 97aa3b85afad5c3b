"""Mirror an image."""

from __future__ import annotations

import cv2
import numpy as np

from models.operations.flip import Direction, Flip
from workers.imaging.picture import Picture, Samples
from workers.operations import Tools

_CODES: dict[Direction, int] = {"horizontal": 1, "vertical": 0}  # OpenCV's: around which axis


def flip(picture: Picture, spec: Flip, tools: Tools) -> Picture:
    """Return ``picture`` mirrored in ``spec.direction``, alpha with it."""

    def mirror(plane: Samples) -> Samples:
        return np.asarray(cv2.flip(plane, _CODES[spec.direction]), plane.dtype)

    alpha = None if picture.alpha is None else mirror(picture.alpha)
    return picture.with_pixels(mirror(picture.pixels), alpha)
