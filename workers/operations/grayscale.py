"""Convert an image to gray."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from models.operations.grayscale import Grayscale
from workers.imaging import depth16, icc_profile, notes
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools

_BAND_ROWS = 512  # at a time: Pillow copies each pixel three times, with four bytes each


def grayscale(picture: Picture, spec: Grayscale, tools: Tools) -> Picture:
    """Return the luma of ``picture`` (ITU-R BT.601), (h, w); alpha is kept.

    Luma is defined for sRGB, so colours with a profile are converted first, in 8 bits, and the
    profile is dropped: a gray file may not carry a profile for RGB.
    """
    if picture.pixels.ndim == 2:
        return picture
    icc = picture.icc
    if icc is None:
        gray = cv2.cvtColor(picture.pixels, cv2.COLOR_BGR2GRAY)
        return picture.with_pixels(np.asarray(gray, picture.pixels.dtype), picture.alpha)
    picture = depth16.reduce_to_8_bits(picture, notes.REDUCED_FOR_PROFILE)
    luma = _luma_through_profile(depth16.to_8_bits(picture.pixels), icc)
    return replace(picture.with_pixels(luma, picture.alpha), icc=None)


def _luma_through_profile(pixels: Pixels, icc: bytes) -> Pixels:
    luma = np.empty(pixels.shape[:2], np.uint8)
    for top in range(0, len(pixels), _BAND_ROWS):
        band = np.ascontiguousarray(pixels[top : top + _BAND_ROWS, :, ::-1])
        srgb = icc_profile.to_srgb(Image.fromarray(band), icc)
        luma[top : top + _BAND_ROWS] = cv2.cvtColor(np.asarray(srgb), cv2.COLOR_RGB2GRAY)
    return luma
