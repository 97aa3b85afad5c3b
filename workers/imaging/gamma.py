"""PNG's gAMA chunk: samples that were stored with another exponent than sRGB's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from workers.imaging.picture import Samples

_DISPLAY = 2.2
_SAME = 0.05  # a product this near to 1 is sRGB's own gamma, as most programs write it
_LEAST, _MOST = 0.01, 10.0  # beyond that it is rubbish, and ignored as browsers do


def exponent(info: Mapping[Any, Any]) -> float | None:
    """Return the exponent that takes samples to sRGB (PNG specification, 13.13); None: no change.

    A colour profile or an sRGB chunk says more and counts instead.
    """
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or "icc_profile" in info or "srgb" in info:
        return None
    if not _LEAST <= gamma <= _MOST or abs(gamma * _DISPLAY - 1) <= _SAME:
        return None
    return 1 / (gamma * _DISPLAY)


def applied(pixels: Samples, power: float) -> Samples:
    """Return ``pixels`` (any shape, uint8 or uint16) raised to ``power`` as shares of the most."""
    most = np.iinfo(pixels.dtype).max
    table = np.rint(most * (np.arange(most + 1) / most) ** power).astype(pixels.dtype)
    return np.asarray(cv2.LUT(pixels, table), pixels.dtype)
