"""Apply a PNG's gAMA chunk: samples stored with an exponent other than sRGB's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from workers.imaging.picture import Samples

_DISPLAY_GAMMA = 2.2
_SRGB_TOLERANCE = 0.05  # a product this near to 1 is sRGB's own, as most programs write it
_MIN_GAMMA, _MAX_GAMMA = 0.01, 10.0  # others are ignored, as in browsers


def exponent(info: Mapping[Any, Any]) -> float | None:
    """Return the exponent that takes samples to sRGB (PNG specification, 13.13); None: no change.

    A colour profile or an sRGB chunk takes precedence.
    """
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or "icc_profile" in info or "srgb" in info:
        return None
    if not _MIN_GAMMA <= gamma <= _MAX_GAMMA or abs(gamma * _DISPLAY_GAMMA - 1) <= _SRGB_TOLERANCE:
        return None
    return 1 / (gamma * _DISPLAY_GAMMA)


def apply(pixels: Samples, power: float) -> Samples:
    """Return ``pixels`` (any shape, uint8 or uint16, as shares of the maximum) raised to
    ``power``.
    """
    maximum = np.iinfo(pixels.dtype).max
    table = np.rint(maximum * (np.arange(maximum + 1) / maximum) ** power).astype(pixels.dtype)
    return np.asarray(cv2.LUT(pixels, table), pixels.dtype)
