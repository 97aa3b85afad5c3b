"""The quality of a JPEG, from its quantization tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

LUMA_STEPS: NDArray[np.int_] = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""Quantization steps of luma, by vertical and horizontal frequency: ITU-T T.81, table K.1. Encoders
after libjpeg use it at quality 50, and scaled at others."""


def read(file: Image.Image) -> int | None:
    """Return the quality, 1 to 100, of the JPEG ``file``; None: another format, or lossless.

    The table of luma is compared with that of libjpeg, so other encoders' qualities differ.
    """
    tables: dict[int, Sequence[Any]] = getattr(file, "quantization", {})
    if not isinstance(file, JpegImagePlugin.JpegImageFile) or not tables:
        return None
    return of_steps(sum(tables[min(tables)]) / float(LUMA_STEPS.sum()))


def of_steps(ratio: float) -> int:
    """Return the quality at which libjpeg's steps are ``ratio`` times those of LUMA_STEPS."""
    quality = 50 / ratio if ratio > 1 else 100 - 50 * ratio
    return max(1, min(100, round(quality)))
