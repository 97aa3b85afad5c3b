"""Blur a picture with a Gaussian."""

from __future__ import annotations

import math

import cv2

from models.operations.blur import Blur
from workers.imaging.picture import Picture
from workers.imaging.premultiply import Plane, filter_premultiplied
from workers.operations import Tools

_KERNEL_SIGMAS = 3  # each way; the rest weighs 0.3 % together
_MIN_SIGMA = 0.1  # in pixels; below it neighbours have no weight in 16 bits


def blur(picture: Picture, spec: Blur, tools: Tools) -> Picture:
    """Return ``picture`` blurred; beyond its border it is mirrored.

    Without a sigma OpenCV's follows from the kernel: 0.3 * ((kernel - 1) / 2 - 1) + 0.8.
    """
    if 0 < spec.sigma < _MIN_SIGMA:
        return picture
    # Set here: by default OpenCV uses other kernels for 16 bits than for 8.
    side = spec.kernel or kernel_side(spec.sigma)

    def smooth(plane: Plane) -> Plane:
        return cv2.GaussianBlur(plane, (side, side), spec.sigma)

    return filter_premultiplied(picture, smooth)


def kernel_side(sigma: float) -> int:
    """Return the side, in pixels, of the kernel that a Gaussian of ``sigma`` pixels needs."""
    return 2 * math.ceil(_KERNEL_SIGMAS * sigma) + 1
