"""Measure how close a picture is to its original, as the literature on super-resolution does."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.picture import Pixels

Values = NDArray[np.float64]

_LUMA = (24.966, 128.553, 65.481)  # of blue, green and red; ITU-R BT.601, studio swing
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW, _SIGMA = 11, 1.5


def luma(picture: Pixels) -> Values:
    """Return the Y of BGR pixels (height, width, 3), 16 for black to 235 for white, not rounded.

    As Matlab's rgb2ycbcr of doubles, and as BasicSR and its successors measure.
    """
    weights = np.array(_LUMA) / 255
    return np.asarray(picture.astype(np.float64) @ weights + 16, np.float64)


def crop(values: Values | Pixels, border: int) -> Values:
    """Return ``values`` (height, width, ...) without ``border`` pixels on each side."""
    inner = slice(border, -border or None)
    return np.asarray(values[inner, inner], np.float64)


def psnr(one: Values, other: Values) -> float:
    """Return the peak signal-to-noise ratio in dB, with a peak of 255; infinite if they are equal.

    Of RGB the mean goes over all three channels.
    """
    error = float(np.mean((one - other) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(one: Values, other: Values) -> float:
    """Return the mean structural similarity of two planes (height, width), at least 11 a side.

    Wang et al. 2004 (IEEE Trans. Image Processing 13, equation 13), as in their Matlab code: a
    Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, only where it fits.
    """
    mean_one, mean_other = _blur(one), _blur(other)
    both = mean_one * mean_other
    squares = mean_one**2 + mean_other**2
    variances = _blur(one**2) + _blur(other**2) - squares
    covariance = _blur(one * other) - both
    found = (2 * both + _C1) * (2 * covariance + _C2)
    return float(np.mean(found / ((squares + _C1) * (variances + _C2))))


def _blur(plane: Values) -> Values:
    taps = cv2.getGaussianKernel(_WINDOW, _SIGMA)
    reach = _WINDOW // 2
    return crop(np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, taps, taps), np.float64), reach)
