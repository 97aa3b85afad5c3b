"""Change brightness, contrast, gamma and saturation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.operations.adjust import Adjust
from workers.imaging.picture import Picture, Samples
from workers.operations import Tools

_BAND_PIXELS = 1 << 17  # at a time: with indices and floats a pixel takes up to 60 bytes
_LUMA = np.array([0.114, 0.587, 0.299])  # of blue, green and red: ITU-R BT.601, as in grayscale
_MIDDLE_GRAY = 0.5


def adjust(picture: Picture, spec: Adjust, tools: Tools) -> Picture:
    """Return ``picture`` adjusted, clipped once at its end and before gamma; alpha is kept.

    Of a sample v, 0 to 1, the curve makes ((v * brightness - 0.5) * contrast + 0.5) ** (1 / gamma),
    where brightness and contrast are 1 + percent / 100. Saturation then multiplies the distance of
    blue, green and red from their luma, also by 1 + percent / 100. Samples are those of the file:
    sRGB, or as its colour profile says.
    """
    curve = _curve(spec, picture.max_value)
    saturated = spec.saturation != 0 and picture.pixels.ndim == 3
    table: NDArray[Any] = np.rint(curve).astype(picture.pixels.dtype)
    made = np.empty_like(picture.pixels)
    rows = max(1, _BAND_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        band = np.s_[top : top + rows]
        if saturated:
            made[band] = _saturated(curve[picture.pixels[band]], spec, picture.max_value)
        else:
            made[band] = table[picture.pixels[band]]
        tools.progress(min(1.0, (top + rows) / picture.height))
    return picture.with_pixels(made, picture.alpha)


def _curve(spec: Adjust, white: int) -> NDArray[np.float32]:
    """Return what becomes of each sample, 0 to ``white``: float32 (white + 1,), 0 to ``white``."""
    values = np.arange(white + 1) / white * (1 + spec.brightness / 100)
    values = (values - _MIDDLE_GRAY) * (1 + spec.contrast / 100) + _MIDDLE_GRAY
    values = np.clip(values, 0, 1) ** (1 / spec.gamma) * white
    return values.astype(np.float32)


def _saturated(pixels: NDArray[np.float32], spec: Adjust, white: int) -> Samples:
    """Return (rows, width, 3) floats, 0 to ``white``, more or less colourful, as samples."""
    factor = 1 + spec.saturation / 100
    matrix = factor * np.eye(3) + (1 - factor) * np.tile(_LUMA, (3, 1))
    mixed = np.asarray(cv2.transform(pixels, matrix), np.float32).reshape(pixels.shape)
    np.clip(np.rint(mixed, out=mixed), 0, white, out=mixed)
    return mixed.astype(np.uint8 if white == np.iinfo(np.uint8).max else np.uint16)
