"""Measure an enlargement: PSNR, SSIM and gain of detail."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Pixels
from workers.upscaler.sanity import psnr_db

_BAND_ROWS = 256  # of the input at a time: intermediate arrays take several times their memory
_MARGIN_ROWS = 8  # read on each side of a band, for filters of radius 5

Plane = NDArray[np.float32]


def measure(before: Pixels, after: Pixels, scale: int) -> dict[str, float]:
    """Return how close ``after`` is to ``before`` when scaled down, and how much detail it has.

    ``psnr`` (dB) and ``ssim`` (mean; Wang et al. 2004, Gaussian window 11x11, luma) of ``after``
    scaled down by area against ``before``; ``detail_gain_db``: mean squared Laplacian of luma
    against that of bicubic enlargement, 0 where neither has any.
    """
    height, width = before.shape[:2]
    square = similar = detail = plain = 0.0
    for top in range(0, height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, height)
        first, last = max(0, top - _MARGIN_ROWS), min(height, bottom + _MARGIN_ROWS)
        part, large = before[first:last], after[first * scale : last * scale]
        keep = slice(top - first, bottom - first)
        back = cv2.resize(large, (width, last - first), interpolation=cv2.INTER_AREA)
        square += cv2.norm(part[keep], back[keep], cv2.NORM_L2SQR)
        ssim = cv2.quality.QualitySSIM_create(_luma(part))  # type: ignore[attr-defined]
        ssim.compute(_luma(back))
        similar += float(np.asarray(ssim.getQualityMap())[keep].sum(dtype=np.float64))
        shown = slice(keep.start * scale, keep.stop * scale)
        size = (width * scale, (last - first) * scale)
        bicubic = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)
        detail += _detail(large, shown)
        plain += _detail(bicubic, shown)
    gain = 10 * math.log10(detail / plain) if detail > 0 and plain > 0 else 0.0
    return {
        "psnr": round(psnr_db(square / before.size), 2),
        "ssim": round(similar / (width * height), 4),
        "detail_gain_db": round(gain, 2),
    }


def _luma(pixels: NDArray[Any]) -> Plane:
    gray = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return np.asarray(gray, np.float32)


def _detail(pixels: NDArray[Any], rows: slice) -> float:
    laplacian = cv2.Laplacian(_luma(pixels), cv2.CV_32F)
    return float((laplacian[rows] ** 2).sum(dtype=np.float64))
