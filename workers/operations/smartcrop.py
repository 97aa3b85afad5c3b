"""Cut a picture to a shape around what stands out in it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.operations import Size
from models.operations.smartcrop import SmartCrop
from workers.imaging.framing import part
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.operations.resize import resample

_SIDE = 128  # pixels of the longer side, where it is looked for
_EDGE = 0.9  # how much less it counts at the border than in the middle
_MIRRORED = 4  # this part of a side is added on each side
_AS_GOOD = 0.999  # of the best place: of those that are as good, the one in the middle is taken
_TRANSPARENT_GRAY = 128


def smartcrop(picture: Picture, spec: SmartCrop, tools: Tools) -> Picture:
    """Return the part in which most stands out, shrunk where ``spec`` names a size.

    A pixel stands out by its spectral residual (Hou and Zhang, 2007, as OpenCV has it) and by its
    gradient, by as much as the sum of both shares is above the mean. That is multiplied by
    1 - 0.9 d², where d is the distance from the middle as a share of the half side: without it, the
    middle is the better guess (`python -m bench.smartcrop`).
    """
    (size,) = spec.output_sizes(*picture.size)
    return resample(part(picture, size, find(picture, spec.part_size(*picture.size))), size)


def find(picture: Picture, size: Size) -> tuple[float, float]:
    """Return where a part of ``size`` (width, height) stands, of what is free on each axis.

    0 is left or top, 1 right or bottom. ``size`` counts pixels of the whole picture, also where it
    was decoded smaller.
    """
    standing_out = _saliency(_small(picture))
    width, height = picture.size
    return (
        _best(standing_out.sum(axis=0), size[0] / width),
        _best(standing_out.sum(axis=1), size[1] / height),
    )


def _saliency(small: Pixels) -> NDArray[np.float64]:
    """Return how much each pixel stands out, 0 or more: (height, width) of ``small``."""
    height, width = small.shape[:2]
    gray = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    # A spectrum takes opposite borders for neighbours: where they differ, that would stand out.
    down, across = height // _MIRRORED, width // _MIRRORED
    around = cv2.copyMakeBorder(small, down, down, across, across, cv2.BORDER_REFLECT)
    residual = cv2.saliency.StaticSaliencySpectralResidual.create().computeSaliency(around)[1]
    gradient = cv2.magnitude(*(cv2.Sobel(gray, cv2.CV_32F, x, 1 - x) for x in (1, 0)))
    inner = residual[down : down + height, across : across + width]
    both = _share(np.asarray(inner)) + _share(np.asarray(gradient))
    return np.asarray(np.maximum(both - both.mean(), 0), np.float64)


def _share(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``values`` above their least, as shares of their sum; zeros where all are alike."""
    # The spectrum of a flat picture has no logarithm: its residual is not a number.
    above = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    above -= above.min()
    total = above.sum()
    return above / total if total > 0 else above


def _best(line: NDArray[np.float64], share: float) -> float:
    """Return the place, 0 to 1, of the window of ``share`` of ``line`` that has the most of it."""
    length = max(1, round(share * len(line)))
    free = len(line) - length
    if free == 0:
        return 0.5
    distance = (np.arange(len(line)) + 0.5) / len(line) * 2 - 1
    sums = np.concatenate([[0.0], np.cumsum(line * (1 - _EDGE * distance**2))])
    held = sums[length:] - sums[:-length]
    as_good = np.flatnonzero(held >= held.max() * _AS_GOOD) / free
    return float(as_good[np.argmin(np.abs(as_good - 0.5))])


def _small(picture: Picture) -> Pixels:
    """Return ``picture`` in 8 bits, its longer side _SIDE pixels or less, on gray."""
    scale = min(1.0, _SIDE / max(picture.width, picture.height))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))

    def shrunk(plane: Pixels) -> NDArray[np.float32]:
        small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32) * np.float32(255 / picture.max_value)

    pixels = shrunk(np.asarray(picture.pixels))
    if picture.alpha is not None:
        opaque = shrunk(np.asarray(picture.alpha)) / np.float32(255)
        if pixels.ndim == 3:
            opaque = opaque[:, :, None]
        pixels = _TRANSPARENT_GRAY + opaque * (pixels - _TRANSPARENT_GRAY)
    return np.rint(pixels).astype(np.uint8)
