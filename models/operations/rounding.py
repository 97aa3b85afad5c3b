"""Exact arithmetic of image sides, so that the service and the workers compute the same sizes."""

from __future__ import annotations

from models.operations.spec import Size

_SUFFICIENT_FACTOR = 4
"""Decoded pixels per result pixel and axis. Their average is within 41 dB of the average of all
pixels, on the worst of five photographs; with 3 it is 40 dB, with 2 it is 35 dB."""


def proportional(length: int, part: int, whole: int) -> int:
    """Return ``length * part / whole`` in pixels, rounded half up, at least 1."""
    return max(1, (2 * length * part + whole) // (2 * whole))


def sufficient_size(target: Size, width: int, height: int) -> Size | None:
    """Return ``_SUFFICIENT_FACTOR`` times ``target``, or None if the image is smaller than that."""
    least = (_SUFFICIENT_FACTOR * target[0], _SUFFICIENT_FACTOR * target[1])
    return least if least[0] <= width and least[1] <= height else None
