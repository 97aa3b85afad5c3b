"""Put a picture into a box of another shape: cut its sides off, or add a colour around it."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from workers.imaging.picture import Picture, Samples

_EXACT = 3
"""Decoded pixels per result pixel and axis from which a fraction of a pixel is cut. Below, the
resampling needs whole pixels."""
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as in grayscale
_WHITE_8 = 255


def part(
    picture: Picture, size: tuple[int, int], place: tuple[float, float] = (0.5, 0.5)
) -> Picture:
    """Return the largest part that has the shape of ``size`` (width, height), as a view.

    ``place``: where it stands, of what is free on each axis: 0 is left or top, 0.5 the middle. It
    is up to half a pixel off, of the decoded ones. Where it is made much smaller, the part may end
    inside a pixel, as ``content_box`` says; no larger picture has to be made before the cut.
    """
    left, top, right, bottom = picture.content_box or (
        0.0,
        0.0,
        float(picture.width),
        float(picture.height),
    )
    across = min(right - left, (bottom - top) * size[0] / size[1])
    down = min(bottom - top, (right - left) * size[1] / size[0])
    if (across, down) == (right - left, bottom - top):
        return picture
    exact = across >= _EXACT * size[0] and down >= _EXACT * size[1]
    x, start_x, stop_x = _cut(left, right, across, exact, place[0])
    y, start_y, stop_y = _cut(top, bottom, down, exact, place[1])
    cut = picture.window(x, y, math.ceil(stop_x) - x, math.ceil(stop_y) - y)
    if not exact:
        return cut
    return replace(cut, content_box=(start_x - x, start_y - y, stop_x - x, stop_y - y))


def _cut(
    start: float, stop: float, length: float, exact: bool, place: float
) -> tuple[int, float, float]:
    """Return the first pixel of the part, its start and its stop on one axis."""
    if length == stop - start:  # all of it, which may start and end inside a pixel
        return math.floor(start), start, stop
    size = length if exact else max(1, round(length))
    first = round(start + (stop - start - size) * place)
    first = max(math.ceil(start), min(first, math.floor(stop - size)))
    return first, first, min(first + size, stop)


def pad(picture: Picture, size: tuple[int, int], colour: tuple[int, int, int, int]) -> Picture:
    """Return ``picture`` in the middle of ``size`` (width, height), with ``colour`` around it.

    ``size``: at least the picture's on both axes. ``colour``: red, green, blue and opacity, 0 to
    255; one that is not opaque gives the picture an alpha, and a gray picture stays gray.
    """
    if (picture.width, picture.height) == size:
        return picture
    left, top = (size[0] - picture.width) // 2, (size[1] - picture.height) // 2
    right, bottom = size[0] - picture.width - left, size[1] - picture.height - top
    opacity = colour[3] * picture.max_value // _WHITE_8

    def surrounded(plane: Samples, value: tuple[int, ...]) -> Samples:
        around = cv2.copyMakeBorder(
            plane, top, bottom, left, right, cv2.BORDER_CONSTANT, value=value
        )
        return np.asarray(around, plane.dtype)

    alpha = picture.alpha
    if alpha is None and opacity < picture.max_value:
        alpha = np.full(picture.pixels.shape[:2], picture.max_value, picture.pixels.dtype)
    return picture.with_pixels(
        surrounded(picture.pixels, samples_of(picture, colour[:3])),
        None if alpha is None else surrounded(alpha, (opacity,)),
    )


def samples_of(picture: Picture, rgb: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the samples that ``rgb``, 0 to 255, has in ``picture``: blue, green, red, or gray."""
    red, green, blue = (value * picture.max_value // _WHITE_8 for value in rgb)
    if picture.pixels.ndim == 2:
        return (round(sum(s * v for s, v in zip(_LUMA, (red, green, blue), strict=True))),)
    return blue, green, red
