"""Resize an image: area averages to shrink, a smooth kernel to enlarge."""

from __future__ import annotations

import cv2
import numpy as np

from models.operations import Size
from models.operations.fit import rgba
from models.operations.resize import EnlargingFilter, Resize
from workers.imaging import framing
from workers.imaging.picture import Picture
from workers.imaging.premultiply import Plane, filter_premultiplied
from workers.operations import Tools

_FILTERS: dict[EnlargingFilter, int] = {
    "lanczos": cv2.INTER_LANCZOS4,
    "cubic": cv2.INTER_CUBIC,
}


def resize(picture: Picture, spec: Resize, tools: Tools) -> Picture:
    """Return ``picture`` in the size that ``spec`` asks for; its print keeps its size."""
    (size,) = spec.output_sizes(*picture.size)
    enlarge_filter = _FILTERS[spec.filter]
    if spec.fit == "cover":
        made = resample(framing.part(picture, size), size, enlarge_filter)
    else:
        made = resample(picture, spec.drawn_size(*picture.size), enlarge_filter)
    made = made.printed_alike(*_factors(picture.size, size, spec))
    return framing.pad(made, size, rgba(spec.colour)) if spec.fit == "pad" else made


def _factors(before: Size, after: Size, spec: Resize) -> tuple[float, float]:
    """Return how many times wider and higher the picture becomes.

    Where it keeps its shape, both are equal, however its sides are rounded.
    """
    if spec.scale is not None:
        return spec.scale, spec.scale
    across, down = after[0] / before[0], after[1] / before[1]
    if spec.fit != "stretch":
        return ((max if spec.fit == "cover" else min)(across, down),) * 2
    if spec.width is None:
        return down, down
    # With both sides given, one of them may be rounded by less than a pixel.
    alike = spec.height is None or abs(across - down) * max(before) < 1
    return (across, across) if alike else (across, down)


def resample(picture: Picture, size: Size, enlarge_filter: int = cv2.INTER_LANCZOS4) -> Picture:
    """Return ``picture`` in ``size`` (width, height); OpenCV's ``enlarge_filter`` enlarges.

    Where one axis shrinks and the other grows, each gets its own filter.
    """
    box = picture.content_box or (0.0, 0.0, float(picture.width), float(picture.height))
    if (picture.width, picture.height) == size and picture.content_box is None:
        return picture
    return filter_premultiplied(
        picture, lambda plane: _resample_plane(plane, size, box, enlarge_filter)
    )


def _resample_plane(
    plane: Plane, size: Size, box: tuple[float, float, float, float], enlarge_filter: int
) -> Plane:
    left, top, right, bottom = box
    shrink = (min(1.0, size[0] / (right - left)), min(1.0, size[1] / (bottom - top)))
    if min(shrink) < 1:
        # By factors, not by sizes: OpenCV then averages exact areas from the first pixel on, also
        # for a fractional box. The size is still right: the box is less than one pixel short of
        # whole pixels, and less than half a pixel after such a shrink. A box that starts inside
        # the first pixel is mirrored for this.
        mirror = (slice(None, None, -1 if top else 1), slice(None, None, -1 if left else 1))
        plane = np.ascontiguousarray(plane[mirror])
        plane = cv2.resize(plane, None, fx=shrink[0], fy=shrink[1], interpolation=cv2.INTER_AREA)
        plane = plane[mirror]
    if (plane.shape[1], plane.shape[0]) != size:
        plane = cv2.resize(plane, size, interpolation=enlarge_filter)
    return np.ascontiguousarray(plane)
