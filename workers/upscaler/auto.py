"""``quality=auto``: choose the photo network for damaged photographs, else the faithful one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from models.operations.photo import FAITHFUL, blended
from workers.imaging import depth16
from workers.imaging.picture import Picture, Pixels
from workers.upscaler import degradation
from workers.upscaler.colour import Chroma, choose_chroma
from workers.upscaler.degradation import Degradation

_NOISE_LEVELS = 2.8
_QUALITY_LOSS = 22
"""Each alone is damage enough: noise of so many levels, a JPEG of quality 100 less so much."""

_STEP_LEVELS, _SLOPE_LEVELS = 48, 8  # between neighbours: an edge of text; texture of a photograph
_GRAPHICS = ((0.33, 0.0), (0.28, 0.3), (0.2, 0.45))
"""Share of edges among all slopes, and of pixels within 4 levels of one: each pair shows graphics
or text. Of 671 photographs (bsds, t91, div2k) six reach one, and none as a JPEG of quality 40."""


def choose(picture: Picture, strength: int, scale: int) -> tuple[Sequence[tuple[str, int]], str]:
    """Return the networks, as ``Upscale.networks`` does, and a note for the user that says why."""
    pixels = depth16.to_8_bits(picture.pixels)
    if _is_graphics(pixels):
        return [(FAITHFUL, scale)], "quality=auto: text or graphics: balanced"
    found = _worst(degradation.measure(pixels), picture.jpeg_quality)
    quality = found.jpeg_quality
    jpeg = "no traces of JPEG" if quality is None else f"JPEG quality about {quality}"
    damaged = is_damaged(found)
    chosen = "photo" if damaged else "balanced"
    note = f"quality=auto: {jpeg}, noise {found.noise:.1f} levels: {chosen}"
    return blended(strength, scale) if damaged else [(FAITHFUL, scale)], note


def is_damaged(found: Degradation) -> bool:
    """Return whether a photograph has so much noise and JPEG that the photo network suits it."""
    loss = 0 if found.jpeg_quality is None else 100 - found.jpeg_quality
    return found.noise / _NOISE_LEVELS + loss / _QUALITY_LOSS >= 1


def _worst(found: Degradation, said: int | None) -> Degradation:
    """Return ``found`` with the quality that the file's tables say, if that is worse."""
    known = [each for each in (found.jpeg_quality, said) if each is not None]
    return Degradation(min(known, default=None), found.noise)


def _is_graphics(pixels: Pixels) -> bool:
    """Return whether ``pixels`` are text or line art: the photo network would invent strokes."""
    if choose_chroma(pixels) is Chroma.NETWORK:
        return True
    edges = slopes = 0
    levels = np.zeros(256)
    for window in degradation.windows(pixels):
        gray = window if window.ndim == 2 else cv2.cvtColor(window, cv2.COLOR_BGR2GRAY)
        levels += np.bincount(gray.ravel(), minlength=256)
        for one, other in ((gray[:, 1:], gray[:, :-1]), (gray[1:], gray[:-1])):
            if one.size:
                step = cv2.absdiff(one, other)
                edges += int((step > _STEP_LEVELS).sum())
                slopes += int((step > _SLOPE_LEVELS).sum())
    share = edges / slopes if slopes else 0.0
    same = float(np.convolve(levels, np.ones(9), "same").max() / max(1.0, levels.sum()))
    return any(share >= least and same >= most for least, most in _GRAPHICS)
