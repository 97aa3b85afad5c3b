"""Filter images with alpha: hidden colours must not bleed into visible ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Picture, Pixels, Samples

Plane = NDArray[Any]
"""(height, width) or (height, width, channels), uint8 or uint16.

With alpha: (height, width), uint16, 0 to 51000, of an 8-bit image; float32, 0 to 65535 squared, of
a 16-bit one."""

_OPAQUE_8 = 255
_OPAQUE_16 = 65535
_MIN_VISIBLE_WEIGHT = 0.5  # of 65535: below, alpha is 0 and the colour would be noise
_ALPHA_WEIGHT = 200
"""Weight of an alpha of 1 in 16 bits: 255 x 200 = 51000 leaves headroom for the overshoot of
Lanczos; clipped at 65535, colour and alpha would be cut unequally and show as a tint."""


def filter_premultiplied(picture: Picture, filter_plane: Callable[[Plane], Plane]) -> Picture:
    """Return ``picture`` after a linear filter, with each colour weighted by its alpha.

    ``filter_plane`` may change the size, the same way each time. Colours are filtered one plane at
    a time in 16 bits, so that the image and its result need only twice four bytes a pixel more; a
    16-bit image uses floats and needs twice that.
    """
    if picture.alpha is None:
        return picture.with_pixels(filter_plane(picture.pixels), None)
    opaque = _OPAQUE_16 if picture.is_16_bit else _OPAQUE_8
    if bool((picture.alpha == opaque).all()):
        pixels = filter_plane(picture.pixels)
        return picture.with_pixels(pixels, np.full(pixels.shape[:2], opaque, picture.alpha.dtype))
    if picture.is_16_bit:
        return _filter_16_bit(picture, picture.alpha, filter_plane)
    weight = filter_plane(np.multiply(picture.alpha, _ALPHA_WEIGHT, dtype=np.uint16))
    planes = []
    for channel in range(1 if picture.pixels.ndim == 2 else picture.pixels.shape[2]):
        plane = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, channel]
        shares = cv2.multiply(
            plane, picture.alpha, scale=_ALPHA_WEIGHT / _OPAQUE_8, dtype=cv2.CV_16U
        )
        # OpenCV gives 0 where the weight is 0: nothing is visible there.
        planes.append(cv2.divide(filter_plane(shares), weight, scale=_OPAQUE_8, dtype=cv2.CV_8U))
    pixels = np.asarray(planes[0] if picture.pixels.ndim == 2 else cv2.merge(planes), np.uint8)
    return picture.with_pixels(pixels, _to_alpha(weight))


def _filter_16_bit(
    picture: Picture, alpha: Samples, filter_plane: Callable[[Plane], Plane]
) -> Picture:
    """Filter in floats, which hold any overshoot; clip colour and alpha after the division."""
    weight = filter_plane(alpha.astype(np.float32))
    visible = weight >= _MIN_VISIBLE_WEIGHT
    planes = []
    for channel in range(1 if picture.pixels.ndim == 2 else picture.pixels.shape[2]):
        plane = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[:, :, channel]
        mixed = filter_plane(cv2.multiply(plane, alpha, dtype=cv2.CV_32F))
        np.divide(mixed, weight, out=mixed, where=visible)
        mixed[~visible] = 0
        planes.append(_to_uint16(mixed))
        del mixed
    pixels = planes[0] if picture.pixels.ndim == 2 else cv2.merge(planes)
    return picture.with_pixels(np.asarray(pixels, np.uint16), _to_uint16(weight))


def _to_uint16(plane: Plane) -> Samples:
    """Return a float plane, which is overwritten, as uint16: rounded and clipped, not wrapped."""
    np.clip(plane, 0, _OPAQUE_16, out=plane)
    return np.rint(plane, out=plane).astype(np.uint16)


def _to_alpha(weight: Plane) -> Pixels:
    return np.asarray(cv2.convertScaleAbs(weight, alpha=1 / _ALPHA_WEIGHT), np.uint8)
