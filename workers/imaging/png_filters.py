"""Filters of a PNG's rows: differences to the neighbours, which shrink better than the samples.

In bands of some hundred kilobytes all arrays of a filter stay in the processor's cache, which
makes Paeth five times as fast as in a whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from workers.imaging.picture import Pixels

NONE, SUB, UP, AVERAGE, PAETH = range(5)
ALL = (NONE, SUB, UP, AVERAGE, PAETH)


def filter_rows(rows: Pixels, above: Pixels, distance: int, kinds: Sequence[int]) -> Pixels:
    """Return ``rows`` filtered (PNG specification, 9.2), each behind the number of its filter.

    ``rows``: (n, bytes) uint8. ``above``: the row above each, of the same shape. ``distance``: in
    bytes, to the sample of the pixel on the left, 1 to 8. ``kinds``: of several filters each row
    gets the one that leaves the least sum of magnitudes (12.7). Returns (n, 1 + bytes) uint8.
    """
    made = np.empty((rows.shape[0], 1 + rows.shape[1]), np.uint8)
    made[:, 0] = kinds[0]
    np.subtract(rows, _PREDICTIONS[kinds[0]](rows, above, distance), out=made[:, 1:])
    if len(kinds) == 1:
        return made
    least = _magnitudes(made[:, 1:])
    for kind in kinds[1:]:
        other = np.subtract(rows, _PREDICTIONS[kind](rows, above, distance), dtype=np.uint8)
        found = _magnitudes(other)
        better = found < least
        made[better, 0], made[better, 1:] = kind, other[better]
        least = np.minimum(least, found)
    return made


def _magnitudes(differences: Pixels) -> NDArray[np.uint64]:
    """Return the sum of each row: a difference of 255 is one of -1."""
    sums: NDArray[np.uint64] = np.minimum(differences, -differences).sum(axis=1, dtype=np.uint64)
    return sums


def _left(rows: Pixels, _above: Pixels, distance: int) -> Pixels:
    left = np.zeros_like(rows)
    left[:, distance:] = rows[:, :-distance]
    return left


def _average(rows: Pixels, above: Pixels, distance: int) -> Pixels:
    """Return the mean of the left and upper neighbour, rounded down, without a carry."""
    left = _left(rows, above, distance)
    return (left & above) + ((left ^ above) >> 1)


def _paeth(rows: Pixels, above: Pixels, distance: int) -> Pixels:
    """Return of left a, upper b and upper left c the one nearest to a + b - c; a first, then b.

    Their distances from it are |b - c|, |a - c| and |a - c + b - c|. The last is less than both
    others only if a and b lie on different sides of c; there it is the difference of the two.
    """
    left, corner = _left(rows, above, distance), _left(above, above, distance)
    of_left, of_above = cv2.absdiff(above, corner), cv2.absdiff(left, corner)
    least, difference = cv2.min(of_left, of_above), cv2.absdiff(of_left, of_above)
    above_side = cv2.compare(above, corner, cv2.CMP_GE)
    is_between = cv2.bitwise_xor(above_side, cv2.compare(left, corner, cv2.CMP_GE))
    is_corner = cv2.bitwise_and(is_between, cv2.compare(least, difference, cv2.CMP_GT))
    is_left = cv2.compare(of_left, of_above, cv2.CMP_LE)
    chosen = _either(is_left, left, above)
    return _either(is_corner, corner, chosen)


def _either(mask: MatLike, one: MatLike, other: MatLike) -> Pixels:
    """Return ``one`` where ``mask`` is 255, ``other`` where it is 0."""
    different = cv2.bitwise_and(cv2.bitwise_xor(one, other), mask)
    return np.asarray(cv2.bitwise_xor(other, different), np.uint8)


_PREDICTIONS: dict[int, Callable[[Pixels, Pixels, int], Pixels | int]] = {
    NONE: lambda *_: 0,
    SUB: _left,
    UP: lambda _rows, above, _distance: above,
    AVERAGE: _average,
    PAETH: _paeth,
}
