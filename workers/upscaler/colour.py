"""Enlarge a picture with a network, whatever channels it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.networks.catalogue import Weights
from workers.imaging.picture import Pixels

_EDGE_LEVELS = 60  # between neighbours of one chroma plane
_MIN_EDGE_SHARE = 0.0005
"""Share of pixels with such an edge from which a picture counts as coloured graphics. Coloured text
and line art have 0.02 to 0.08, 99 of 100 photographs less than 0.0006 (1,154 measured)."""
_BAND_ROWS = 256
_LEVEL = np.float32(1 / 255)
FILTER_RADIUS = 4
"""Pixels of the input that the chroma filter sees on each side."""


Plane = NDArray[np.float32]
"""One picture's channels as a network takes them: (channels, height, width)."""


@dataclass(frozen=True)
class ColourLayout:
    """How a network takes all channels: their order, the mean subtracted, the value of a level."""

    order: slice
    mean: tuple[float, float, float]
    level: float


_DIV2K_MEAN = (103.1545782, 111.561547, 114.35629928)  # BGR, in levels
_COLOUR_LAYOUTS = {
    "edsr": ColourLayout(slice(None), _DIV2K_MEAN, 1.0),
    "rgb": ColourLayout(slice(None, None, -1), (0.0, 0.0, 0.0), 1 / 255),
}
"""``edsr``: BGR, as dnn_superres does; ``rgb``: 0 to 1, as most ONNX networks."""


class Chroma(Enum):
    """What enlarges the colour of a picture, beside a network that takes luma only.

    BILINEAR: the filter of OpenCV's dnn_superres. LANCZOS: a sharper one, for photographs; their
    chroma is smooth, and a network adds 0.1 dB at most (docs/decisions/networks.md). NETWORK: blue,
    green and red go through the network instead, which keeps edges that only colour makes, and
    takes three times as long.
    """

    BILINEAR = "bilinear"
    LANCZOS = "lanczos"
    NETWORK = "network"


_FILTERS = {Chroma.BILINEAR: cv2.INTER_LINEAR, Chroma.LANCZOS: cv2.INTER_LANCZOS4}


def choose_chroma(pixels: Pixels) -> Chroma:
    """Return what suits ``pixels``: uint8, gray (height, width) or BGR (height, width, 3)."""
    return Chroma.NETWORK if _has_colour_edges(pixels) else Chroma.LANCZOS


def _has_colour_edges(pixels: Pixels) -> bool:
    """Return whether colour, and not only light, makes edges of a picture: text, charts, logos."""
    if pixels.ndim == 2:
        return False
    edges = 0
    for top in range(0, pixels.shape[0], _BAND_ROWS):
        # One row more than counted, so that the edge to the next band is counted.
        part = cv2.cvtColor(pixels[top : top + _BAND_ROWS + 1], cv2.COLOR_BGR2YCrCb)
        for one, other in ((part[:, 1:], part[:, :-1]), (part[1:], part[:-1])):
            if one.size:
                step = cv2.absdiff(one, other)[:_BAND_ROWS]
                small = cv2.inRange(step, (0, 0, 0), (255, _EDGE_LEVELS, _EDGE_LEVELS))
                edges += small.size - cv2.countNonZero(small)
    return bool(edges >= _MIN_EDGE_SHARE * pixels.shape[0] * pixels.shape[1])


def enlarge(
    plane: Callable[[Pixels], Pixels], pixels: Pixels, scale: int, chroma: Chroma
) -> Pixels:
    """Return ``pixels`` enlarged; ``plane`` enlarges one plane (height, width) of uint8."""
    if pixels.ndim == 2:
        return plane(pixels)
    if chroma is Chroma.NETWORK:
        planes = [plane(np.ascontiguousarray(pixels[:, :, channel])) for channel in range(3)]
        return np.asarray(cv2.merge(planes), np.uint8)
    luma, *others = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_BGR2YCrCb))
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    planes = [plane(np.asarray(luma, np.uint8))]
    for each in others:
        # In floats from 0 to 1, as dnn_superres does: on bytes the filter rounds its weights.
        large = cv2.resize(each * _LEVEL, size, interpolation=_FILTERS[chroma])
        planes.append(_to_uint8(large, 255.0))
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2BGR), np.uint8)


def enlarge_by(
    run: Callable[[Plane], Plane], weights: Weights, pixels: Pixels, chroma: Chroma
) -> Pixels:
    """Return ``pixels`` enlarged by ``run``, which is the network ``weights`` in floats."""
    if weights.takes_colour:
        return _enlarge_all(run, pixels, _COLOUR_LAYOUTS[weights.algorithm])

    def plane(part: Pixels) -> Pixels:
        return _to_uint8(run((part * _LEVEL)[None])[0], 255.0)

    return enlarge(plane, pixels, weights.scale, chroma)


def _enlarge_all(run: Callable[[Plane], Plane], pixels: Pixels, how: ColourLayout) -> Pixels:
    """All channels through the network; gray goes through as colour."""
    gray = pixels.ndim == 2
    shown = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if gray else pixels
    mean = np.array(how.mean, np.float32)
    planes = ((shown - mean) * np.float32(how.level))[:, :, how.order].transpose(2, 0, 1)
    large = run(np.ascontiguousarray(planes)).transpose(1, 2, 0)[:, :, how.order]
    made = _to_uint8(np.ascontiguousarray(large) + mean * np.float32(how.level), 1 / how.level)
    return np.asarray(cv2.cvtColor(made, cv2.COLOR_BGR2GRAY), np.uint8) if gray else made


def _to_uint8(values: Any, factor: float) -> Pixels:
    """Return ``values * factor``, rounded and clipped to 0 to 255, as cv::Mat::convertTo does."""
    return np.asarray(cv2.addWeighted(values, factor, values, 0, 0, dtype=cv2.CV_8U), np.uint8)
