"""Take the colour out of a picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from models.operations.grayscale import Grayscale
from workers import profiles
from workers.operations import Tools
from workers.picture import Picture


def grayscale(picture: Picture, spec: Grayscale, tools: Tools) -> Picture:
    """Return ``picture`` with its luma only (ITU-R BT.601), (h, w); alpha is kept.

    Luma is defined for sRGB, so colours are converted to it where they have a profile, which is
    then dropped: a gray file may not carry a profile for RGB.
    """
    if picture.pixels.ndim == 2:
        fits = picture.icc is None or profiles.is_gray(picture.icc)
        return picture if fits else replace(picture, icc=None)
    if picture.icc is None:
        luma = cv2.cvtColor(picture.pixels, cv2.COLOR_BGR2GRAY)
    else:
        image = Image.fromarray(np.ascontiguousarray(picture.pixels[:, :, ::-1]))
        luma = cv2.cvtColor(np.asarray(profiles.to_srgb(image, picture.icc)), cv2.COLOR_RGB2GRAY)
    return replace(picture.with_pixels(np.asarray(luma, np.uint8), picture.alpha), icc=None)
