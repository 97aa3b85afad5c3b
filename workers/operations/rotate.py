"""Rotate an image by quarter turns."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from models.operations.rotate import Rotate
from workers.imaging.picture import Picture, Samples
from workers.operations import Tools

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def rotate(picture: Picture, spec: Rotate, tools: Tools) -> Picture:
    """Return ``picture`` rotated clockwise by ``spec.angle`` degrees, alpha with it."""

    def rotate_plane(plane: Samples) -> Samples:
        return np.asarray(cv2.rotate(plane, _ROTATIONS[spec.angle]), plane.dtype)

    alpha = None if picture.alpha is None else rotate_plane(picture.alpha)
    turned = picture.with_pixels(rotate_plane(picture.pixels), alpha)
    if picture.resolution is None or spec.angle == 180:
        return turned
    return replace(turned, resolution=picture.resolution.turned())
