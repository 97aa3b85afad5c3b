"""Cut off the border that has one colour."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.operations.fit import rgba
from models.operations.trim import Trim
from workers.imaging import notes
from workers.imaging.framing import samples_of
from workers.imaging.picture import Picture, Samples
from workers.operations import Tools

_WHITE_8 = 255
_BAND_PIXELS = 1 << 18  # are compared at a time: a mask of all would be a copy as large as a gray

Box = tuple[int, int, int, int]
"""First column, first row, and those after the last."""


def trim(picture: Picture, spec: Trim, tools: Tools) -> Picture:
    """Return what lies inside the border, as a view of ``picture``.

    A pixel is of the border if each sample of it differs by at most the tolerance from that of the
    border's colour; colours of pixels whose opacity is within the tolerance do not count, since
    they are not seen. Without a border, and if all is border, the whole picture is returned, in
    the latter case with a note.
    """
    box = find(picture, spec)
    if box is None:
        return replace(picture, notes=(*picture.notes, notes.NOTHING_BUT_BORDER))
    left, top = (max(0, first - spec.padding) for first in box[:2])
    right, bottom = (
        min(end + spec.padding, side)
        for end, side in zip(box[2:], (picture.width, picture.height), strict=True)
    )
    if (left, top, right, bottom) == (0, 0, picture.width, picture.height):
        return picture
    return picture.window(left, top, right - left, bottom - top)


def find(picture: Picture, spec: Trim) -> Box | None:
    """Return the smallest box that holds every pixel that is not of the border; None: all are."""
    colour, opacity = _border(picture, spec)
    slack = spec.tolerance * picture.max_value // _WHITE_8
    if picture.alpha is None and opacity + slack < picture.max_value:
        return 0, 0, picture.width, picture.height  # an opaque picture has no such border
    rows = np.zeros(picture.height, np.bool_)
    columns = np.zeros(picture.width, np.bool_)
    step = max(1, _BAND_PIXELS // picture.width)
    for start in range(0, picture.height, step):
        band = np.s_[start : start + step]
        border = _near(picture.pixels[band], colour, slack)
        if picture.alpha is not None:
            alpha = picture.alpha[band]
            border |= _near(alpha, (0,), slack)
            border &= _near(alpha, (opacity,), slack)
        rows[band] = ~border.all(axis=1)
        columns |= ~border.all(axis=0)
    (down,), (across,) = np.nonzero(rows), np.nonzero(columns)
    if not len(down):
        return None
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1


def _border(picture: Picture, spec: Trim) -> tuple[tuple[int, ...], int]:
    """Return the samples of the border's colour, and its opacity, as ``picture`` has them."""
    if spec.colour is not None:
        red, green, blue, opacity = rgba(spec.colour)
        return samples_of(picture, (red, green, blue)), opacity * picture.max_value // _WHITE_8
    first = picture.pixels[0, 0]
    opacity = picture.max_value if picture.alpha is None else int(picture.alpha[0, 0])
    return tuple(int(sample) for sample in np.atleast_1d(first)), opacity


def _near(samples: Samples, value: tuple[int, ...], slack: int) -> NDArray[np.bool_]:
    """Return which of ``samples``, (h, w) or (h, w, 3), differ by at most ``slack``: (h, w)."""
    most = int(np.iinfo(samples.dtype).max)
    low = [max(0, each - slack) for each in value]
    high = [min(most, each + slack) for each in value]
    return np.asarray(cv2.inRange(samples, tuple(low), tuple(high)), np.bool_)
