"""Keep light and colour of the input: networks shift dithered pictures and fine patterns."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Pixels

_CELL_SIDE = 4  # input pixels a side of the cells whose mean colour is compared
_BLUR_CELLS = 1.0  # sigma, in cells: detail of fewer than about 16 pixels is the network's
_BLUR_CELLS_OF_DAMAGE = 2.0  # blocks of a JPEG, 8 pixels, and their steps stay away
_MIN_SHIFT_LEVELS = 0.5
_MAX_SHIFT_LEVELS = 2.0  # what is cut off at 0 and 255 remains, and takes further passes
_MAX_PASSES = 8
_PARTS = 64
"""Parts of a level in which int16 counts a shift of up to 255: floats take twice the memory."""
_BAND_ROWS = 64
_KERNEL_SIGMAS = 4  # a side of OpenCV's kernel of floats
_FLAT_SIDE = 5
"""Input pixels a side of a square of one colour, whose middle keeps that colour exactly."""


def keep_light(before: Pixels, after: Pixels, damaged: bool = False) -> None:
    """Take the low frequencies of (``after``, scaled down, less ``before``) off ``after``.

    ``before``: (h, w) or (h, w, 3) uint8. ``after``: (h*s, w*s) likewise, changed in place, so that
    the mean of every block of 16 input pixels stays within 3 levels of the input's. Where the
    input has one colour, ``after`` has it exactly.

    ``damaged``: ``before`` has noise and blocks of a JPEG, which ``after`` should not. Then lower
    frequencies are kept, and no flat colours: a JPEG's sky is flat within each block.
    """
    least = _MIN_SHIFT_LEVELS
    for _ in range(_MAX_PASSES):
        shift = _shift(before, after, _BLUR_CELLS_OF_DAMAGE if damaged else _BLUR_CELLS)
        if cv2.norm(shift, cv2.NORM_INF) < least * _PARTS:
            break
        _subtract(shift, after)
        least = _MAX_SHIFT_LEVELS
    if not damaged:
        _keep_flat(before, after)


def keep_mask(before: Pixels, after: Pixels) -> Pixels:
    """Return ``after``, an enlarged alpha, without what the network added to ``before``.

    No pixel is more or less opaque than its neighbourhood of 3 x 3 input pixels, so that a network
    does not ring at the edges of a mask. A mask without shades stays one.
    """
    size = (after.shape[1], after.shape[0])
    square = np.ones((3, 3), np.uint8)
    least, most = (
        cv2.resize(change(before, square), size, interpolation=cv2.INTER_NEAREST)
        for change in (cv2.erode, cv2.dilate)
    )
    if np.isin(before, (0, 255)).all():
        after = np.asarray(cv2.threshold(after, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)
    return np.asarray(cv2.min(cv2.max(after, least), most), np.uint8)


def _shift(before: Pixels, after: Pixels, sigma: float) -> NDArray[np.int16]:
    """Return by how many ``_PARTS`` of a level each cell of ``after`` is too light, smoothed.

    ``sigma``: of the Gaussian, in cells.
    """
    cells = (-(-before.shape[1] // _CELL_SIDE), -(-before.shape[0] // _CELL_SIDE))
    was, now = (cv2.resize(each, cells, interpolation=cv2.INTER_AREA) for each in (before, after))
    shift = np.asarray(cv2.subtract(now, was, dtype=cv2.CV_16S), np.int16)
    del was, now
    shift *= _PARTS
    for plane in (shift,) if shift.ndim == 2 else shift.transpose(2, 0, 1):
        _smooth(plane, sigma)
    return shift


def _smooth(plane: NDArray[np.int16], sigma: float) -> None:
    """Smooth ``plane`` (h, w) in place, band by band: OpenCV needs as much memory as it smooths."""
    whole, margin = plane.copy(), int(_KERNEL_SIGMAS * sigma) + 1
    for top in range(0, len(whole), _BAND_ROWS):
        first, bottom = max(0, top - margin), min(top + _BAND_ROWS, len(whole))
        part = whole[first : bottom + margin]
        smooth = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        plane[top:bottom] = smooth[top - first : bottom - first]


def _subtract(shift: NDArray[np.int16], after: Pixels) -> None:
    """Subtract ``shift``, enlarged to the size of ``after``, band by band."""
    height, width = after.shape[:2]
    across, down = shift.shape[1] / width, shift.shape[0] / height
    for top in range(0, height, _BAND_ROWS):
        band = after[top : top + _BAND_ROWS]
        first, last = int(max(0, top * down - 1)), int((top + len(band)) * down) + 2
        levels = np.divide(shift[first:last], _PARTS, dtype=np.float32)
        # From the middle of a pixel of the result to that of a cell.
        place = np.array(
            [[across, 0, across / 2 - 0.5], [0, down, (top + 0.5) * down - 0.5 - first]],
            np.float32,
        )
        large = cv2.warpAffine(
            levels,
            place,
            (width, len(band)),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        cv2.subtract(band, large, dst=band, dtype=cv2.CV_8U)


def _keep_flat(before: Pixels, after: Pixels) -> None:
    """Set ``after`` to the colour of ``before`` wherever that has one colour around."""
    scale, margin = after.shape[0] // before.shape[0], _FLAT_SIDE // 2
    square = np.ones((_FLAT_SIDE, _FLAT_SIDE), np.uint8)
    for top in range(0, before.shape[0], _BAND_ROWS):
        first, bottom = max(0, top - margin), min(top + _BAND_ROWS, before.shape[0])
        part = before[first : bottom + margin]
        # The border counts as more of the same.
        least, most = cv2.erode(part, square), cv2.dilate(part, square)
        flat = (least == most)[top - first : top - first + bottom - top]
        flat = flat.all(axis=2) if flat.ndim == 3 else flat
        if not flat.any():
            continue
        size = (after.shape[1], (bottom - top) * scale)
        mask = cv2.resize(flat.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        plain = cv2.resize(before[top:bottom], size, interpolation=cv2.INTER_NEAREST)
        cv2.copyTo(plain, mask, after[top * scale : bottom * scale])
