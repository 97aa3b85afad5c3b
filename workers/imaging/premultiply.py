"""Filters over pictures with alpha: what nobody sees must not bleed into what is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Picture, Pixels, Samples

Plane = NDArray[Any]
"""(height, width) or (height, width, channels), uint8 or uint16.

Where there is alpha: (height, width), of an 8-bit picture uint16, 0 to 51000, of a 16-bit one
float32, 0 to 65535 squared."""

_OPAQUE = 255
_DEEP = 65535
_SEEN = 0.5  # of 65535: what weighs less has an alpha of 0, and its colour would be noise
_ONE = 200
"""What an alpha of 1 weighs in 16 bits: 255 x 200 = 51000 leaves room for the overshoot of Lanczos,
which would be cut unequally in colour and alpha at 65535 and show as a tint."""


def filtered(picture: Picture, work: Callable[[Plane], Plane]) -> Picture:
    """Return ``picture`` after the linear filter ``work``, each colour weighted by its alpha.

    ``work`` may change the size, the same way each time. Colours are filtered one plane at a time
    in 16 bits, so that beside the picture and its result four bytes a pixel are enough twice over;
    those of a 16-bit picture in floats, which take twice that.
    """
    if picture.alpha is None:
        return picture.with_pixels(work(picture.pixels), None)
    opaque = _DEEP if picture.deep else _OPAQUE
    if bool((picture.alpha == opaque).all()):
        pixels = work(picture.pixels)
        return picture.with_pixels(pixels, np.full(pixels.shape[:2], opaque, picture.alpha.dtype))
    if picture.deep:
        return _deep(picture, picture.alpha, work)
    weight = work(np.multiply(picture.alpha, _ONE, dtype=np.uint16))
    planes = []
    for channel in range(1 if picture.pixels.ndim == 2 else picture.pixels.shape[2]):
        plane = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, channel]
        shares = cv2.multiply(plane, picture.alpha, scale=_ONE / _OPAQUE, dtype=cv2.CV_16U)
        # OpenCV gives 0 where the weight is 0, which is where nobody looks.
        planes.append(cv2.divide(work(shares), weight, scale=_OPAQUE, dtype=cv2.CV_8U))
    pixels = np.asarray(planes[0] if picture.pixels.ndim == 2 else cv2.merge(planes), np.uint8)
    return picture.with_pixels(pixels, _alpha(weight))


def _deep(picture: Picture, alpha: Samples, work: Callable[[Plane], Plane]) -> Picture:
    """Floats have room for any overshoot: colour and alpha are cut only after the division."""
    weight = work(alpha.astype(np.float32))
    seen = weight >= _SEEN
    planes = []
    for channel in range(1 if picture.pixels.ndim == 2 else picture.pixels.shape[2]):
        plane = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, channel]
        mixed = work(cv2.multiply(plane, alpha, dtype=cv2.CV_32F))
        np.divide(mixed, weight, out=mixed, where=seen)
        mixed[~seen] = 0
        planes.append(_levels(mixed))
        del mixed
    pixels = planes[0] if picture.pixels.ndim == 2 else cv2.merge(planes)
    return picture.with_pixels(np.asarray(pixels, np.uint16), _levels(weight))


def _levels(plane: Plane) -> Samples:
    """Return a float plane, which is overwritten, as uint16: rounded and cut, not wrapped."""
    np.clip(plane, 0, _DEEP, out=plane)
    return np.rint(plane, out=plane).astype(np.uint16)


def _alpha(weight: Plane) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(weight, alpha=1 / _ONE), np.uint8)
