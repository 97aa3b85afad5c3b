"""Turn a picture by quarter turns."""

from __future__ import annotations

import cv2
import numpy as np

from models.operations.rotate import Rotate
from workers.imaging.picture import Picture, Samples
from workers.operations import Tools

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def rotate(picture: Picture, spec: Rotate, tools: Tools) -> Picture:
    """Return ``picture`` turned clockwise by ``spec.angle`` degrees, alpha with it."""

    def turned(plane: Samples) -> Samples:
        return np.asarray(cv2.rotate(plane, _TURNS[spec.angle]), plane.dtype)

    alpha = None if picture.alpha is None else turned(picture.alpha)
    return picture.with_pixels(turned(picture.pixels), alpha)
