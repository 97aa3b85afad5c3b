"""Estimate what noise and JPEG compression have done to a picture, from its pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging import jpeg_quality
from workers.imaging.picture import Pixels

Plane = NDArray[np.float32]

_WINDOW = 256  # side in pixels; a multiple of the block's
_WINDOWS = 3  # along each side of a large picture
_BLOCK = 8  # side of a JPEG's blocks
_MIN_BLOCKS = 60  # fewer say too little
_MAX_GRIDS = 2  # of a JPEG that was cropped and compressed again
_ZERO = 2.0  # levels; what was 0 is off by rounding, and by a second, better compression
_MIN_GAIN = 0.03  # of the share of zeros; 24 photographs without JPEG have up to 0.013
_MIN_VALUE = 2.2  # of a coefficient that was not 0
_MIN_VALUES = 25
_MIN_FIT = 0.4  # 1: all values are multiples of the step; 0: they are arbitrary
_MIN_STEPS = 3  # that must be found

_NOISE_BLOCK = 8
_NOISE_QUANTILE = 0.05
_NOISE_FACTOR = 1.17  # such a low quantile of noise alone is too low by this
_FAINT = (4, 251)  # darker or lighter, noise is cut off

_LOW = ((1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2))  # of a blurred picture the others are zero
_DETECTING = (*_LOW, (0, 4), (4, 0), (1, 4), (4, 1), (3, 3), (2, 3))
_MEASURED = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (0, 3), (3, 0))
"""Frequencies (down, across) whose zeros show the grid, and whose values show the steps."""


@dataclass(frozen=True)
class Degradation:
    """``jpeg_quality``: 1 to 100 as libjpeg counts it, of the worst JPEG that the picture ever was;
    None: no trace. ``noise``: standard deviation in levels, of a sample.
    """

    jpeg_quality: int | None
    noise: float


def measure(pixels: Pixels) -> Degradation:
    """Return the degradation of ``pixels``, (height, width) or (height, width, 3) BGR of uint8.

    Of a large picture nine windows are measured.
    """
    parts = list(windows(pixels))
    return Degradation(_jpeg_quality([_luma(each) for each in parts]), _noise(parts))


def windows(pixels: Pixels) -> Iterator[Pixels]:
    """Yield nine parts of a large picture, or all of a small one; they begin at whole blocks."""
    for top, bottom in _spans(pixels.shape[0]):
        for left, right in _spans(pixels.shape[1]):
            yield pixels[top:bottom, left:right]


def _spans(length: int) -> list[tuple[int, int]]:
    if length <= _WINDOWS * _WINDOW:
        return [(0, length)]
    last = length - _WINDOW
    starts = [last * number // (_WINDOWS - 1) // _BLOCK * _BLOCK for number in range(_WINDOWS)]
    return [(start, start + _WINDOW) for start in starts]


def _luma(pixels: Pixels) -> Plane:
    if pixels.ndim == 3:
        # Not as bytes: their rounding would add to that of the decoder.
        weights = np.array([[0.114, 0.587, 0.299]], np.float32)
        return np.asarray(cv2.transform(pixels.astype(np.float32), weights), np.float32)
    return pixels.astype(np.float32)


def _noise(parts: list[Pixels]) -> float:
    """Return the standard deviation of noise in levels.

    By Immerkaer's mask (J. Immerkaer 1996, Fast noise variance estimation), to which smooth
    structure is invisible; of the smoothest blocks, since texture looks like noise.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found: list[Plane] = []
    for window in parts:
        plane = window if window.ndim == 2 else window[:, :, 1]
        rows, columns = (side // _NOISE_BLOCK for side in plane.shape)
        if not rows or not columns:
            continue
        part = plane[: rows * _NOISE_BLOCK, : columns * _NOISE_BLOCK]
        response = cv2.filter2D(part, cv2.CV_32F, mask, borderType=cv2.BORDER_REFLECT_101)
        size = (columns, rows)
        means = cv2.resize(np.abs(response), size, interpolation=cv2.INTER_AREA)
        clear = cv2.inRange(part, _FAINT[0], _FAINT[1])
        kept = cv2.resize(clear, size, interpolation=cv2.INTER_AREA)
        found.append(np.asarray(means[(kept > 250) & (means > 0)], np.float32))
    values = np.concatenate(found) if found else np.empty(0, np.float32)
    if not values.size:
        return 0.0
    smooth = float(np.quantile(values, _NOISE_QUANTILE))
    return _NOISE_FACTOR * smooth * math.sqrt(math.pi / 2) / 6


def _jpeg_quality(lumas: list[Plane]) -> int | None:
    """Return the quality of the worst JPEG whose blocks the pixels still show.

    After Z. Fan and R. de Queiroz 2003, Identification of bitmap compression history: at the grid
    of the blocks most of the high frequencies are zero, and the others multiples of their step.
    """
    found = []
    for grid in _find_grids(lumas):
        ratios = []
        for frequency in _MEASURED:
            values = np.abs(np.concatenate([_on_grid(each, frequency, grid) for each in lumas]))
            step = _find_step(values[values > _MIN_VALUE])
            if step is not None:
                ratios.append(step / jpeg_quality.LUMA_STEPS[frequency])
        if len(ratios) >= _MIN_STEPS:
            found.append(jpeg_quality.of_steps(float(np.median(ratios))))
    return min(found, default=None)


def _find_grids(lumas: list[Plane]) -> list[tuple[int, int]]:
    """Return the (row, column) modulo 8 at which blocks begin, the clearest first."""
    zeros = np.zeros((_BLOCK, _BLOCK))
    count = np.zeros((_BLOCK, _BLOCK))
    for luma in lumas:
        for frequency in _DETECTING:
            small = (np.abs(_coefficients(luma, frequency)) < _ZERO).astype(np.float32)
            for row, column in np.ndindex(_BLOCK, _BLOCK):
                part = small[row::_BLOCK, column::_BLOCK]
                zeros[row, column] += part.sum()
                count[row, column] += part.size
    if count.min() < _MIN_BLOCKS * len(_DETECTING):
        return []
    shares = zeros / count
    # The rows and columns of a grid have more zeros, too: what counts is the place itself.
    gains = shares - shares.mean(axis=0) - shares.mean(axis=1)[:, None] + shares.mean()
    order = np.argsort(-gains, axis=None)[:_MAX_GRIDS]
    places = [divmod(int(place), _BLOCK) for place in order]
    return [place for place in places if gains[place] > _MIN_GAIN]


def _find_step(values: NDArray[np.float32]) -> int | None:
    """Return the step of which all ``values`` are multiples, or None."""
    if values.size < _MIN_VALUES:
        return None
    longest = max(2, round(1.3 * float(np.quantile(values, 0.1))))
    steps = np.arange(2, longest + 1)
    fits = np.array([np.cos(2 * np.pi / step * values).mean() for step in steps])
    good = steps[(fits > 0.9 * fits.max()) & (fits > _MIN_FIT)]
    return int(good[-1]) if good.size else None


def _on_grid(luma: Plane, frequency: tuple[int, int], grid: tuple[int, int]) -> Plane:
    return _coefficients(luma, frequency)[grid[0] :: _BLOCK, grid[1] :: _BLOCK].ravel()


def _coefficients(luma: Plane, frequency: tuple[int, int]) -> Plane:
    """Return the DCT coefficient of the block that begins at each pixel."""
    height, width = (side - _BLOCK + 1 for side in luma.shape)
    if height < 1 or width < 1:
        return np.empty((0, 0), np.float32)
    down, across = (_cosine(each) for each in frequency)
    made = cv2.sepFilter2D(luma, cv2.CV_32F, across, down, anchor=(0, 0))
    return np.asarray(made[:height, :width], np.float32)


def _cosine(frequency: int) -> Plane:
    """Return a basis vector of the orthonormal DCT of 8 samples."""
    places = (2 * np.arange(_BLOCK) + 1) * frequency * np.pi / (2 * _BLOCK)
    return np.asarray(np.cos(places) * math.sqrt((1 if frequency == 0 else 2) / _BLOCK), np.float32)
