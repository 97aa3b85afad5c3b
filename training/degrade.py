"""Make low-resolution training input from high-resolution pictures: bicubic, JPEG; PSNR."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
"""One channel of a picture: (height, width) uint8, 0 to 255."""

_A = -0.5  # Keys' cubic as Matlab has it; OpenCV's INTER_CUBIC uses -0.75 and no antialiasing
_SUPPORT = 2.0


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -0.5 (IEEE Trans. ASSP 29, 1981, equation 15)."""
    x = np.abs(x)
    near = (_A + 2) * x**3 - (_A + 3) * x**2 + 1
    far = _A * x**3 - 5 * _A * x**2 + 8 * _A * x - 4 * _A
    return np.where(x <= 1, near, np.where(x < _SUPPORT, far, 0.0))


def _resize_rows(plane: Plane, target: int) -> Plane:
    """Resize along the first axis as Matlab's ``imresize`` does, rounding to 8 bits at the end."""
    size = plane.shape[0]
    factor = size / target
    stretch = max(1.0, factor)  # antialiasing: the kernel is stretched when shrinking
    centres = (np.arange(target) + 0.5) * factor - 0.5
    reach = int(np.ceil(_SUPPORT * stretch))
    taps = np.floor(centres)[:, None].astype(int) + np.arange(-reach, reach + 2)
    weights = _cubic((taps - centres[:, None]) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])  # symmetric padding
    rows = plane.astype(np.float32)
    out = np.zeros((target, plane.shape[1]), np.float32)
    for tap in range(taps.shape[1]):
        index = mirrored[taps[:, tap] % len(mirrored)]
        out += weights[:, tap, None].astype(np.float32) * rows[index]
    return np.clip(np.floor(out + 0.5), 0, 255).astype(np.uint8)


def bicubic(plane: Plane, height: int, width: int) -> Plane:
    """Return ``plane`` in another size as Matlab's ``imresize(plane, [height width])`` makes it.

    Bicubic, antialiased when shrinking; the vertical pass first, rounded to 8 bits between the two.
    """
    return _resize_rows(_resize_rows(plane, height).T, width).T.copy()


def jpeg(plane: Plane, quality: int) -> Plane:
    """Return ``plane`` after one trip through JPEG at ``quality`` (1 to 100)."""
    ok, data = cv2.imencode(".jpg", plane, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"JPEG encoder refused a plane of {plane.shape}")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def psnr(a: Plane, b: Plane, border: int) -> float:
    """Peak signal-to-noise ratio in dB between two planes, ``border`` pixels cropped on each side.

    10 log10(255^2 / MSE), the literature's measure; infinite for equal planes.
    """
    inner = (slice(border, -border or None),) * 2
    error = np.mean((a[inner].astype(np.float64) - b[inner].astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
