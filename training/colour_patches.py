"""Batches of RGB patches in two sizes: clean, after JPEG, and patterns that no photograph has."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from training.dataset import EXTRA_SIZE, QUALITIES, VERSIONS
from training.degrade import bicubic

Picture = NDArray[np.uint8]
"""(height, width, 3) RGB."""
CLEAN, COMPRESSED, PATTERN = 0, 1, 2
_HALF_COLOUR = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420


@dataclass(frozen=True)
class ColourPair:
    """A picture in both sizes; ``lows``: clean first, then after JPEG."""

    high: Picture
    lows: tuple[Picture, ...]


@dataclass(frozen=True)
class Batch:
    """``low`` (n, 3, h, w), ``high`` (n, 3, h*scale, w*scale): RGB in 0 to 1; ``kinds`` (n,)."""

    low: torch.Tensor
    high: torch.Tensor
    kinds: torch.Tensor

    def to(self, device: str) -> Batch:
        return Batch(*(each.to(device) for each in (self.low, self.high, self.kinds)))


def read(path: Path) -> Picture:
    """Return the picture at ``path`` in RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path} is not a picture that OpenCV reads")
    return np.ascontiguousarray(picture[:, :, ::-1])


def jpeg(picture: Picture, quality: int, sampling: int = _HALF_COLOUR) -> Picture:
    """Return ``picture`` after one trip through JPEG at ``quality`` (1 to 100)."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    ok, data = cv2.imencode(".jpg", picture[:, :, ::-1], options)
    if not ok:
        raise ValueError(f"JPEG encoder refused a picture of {picture.shape}")
    return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[:, :, ::-1])


def load(paths: list[Path], scale: int, smallest: int) -> list[ColourPair]:
    """Read ``paths`` and shrunken copies; drop those with a low side under ``smallest``."""
    one = partial(_copies, scale=scale, smallest=smallest)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        return [each for copies in processes.map(one, paths, chunksize=8) for each in copies]


def _copies(path: Path, scale: int, smallest: int) -> list[ColourPair]:
    picture = read(path)
    rng = np.random.default_rng(list(path.name.encode()))
    copies = [picture]
    if path.parent.name != "t91":  # these are small already
        size = (round(picture.shape[1] * EXTRA_SIZE), round(picture.shape[0] * EXTRA_SIZE))
        copies.append(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8))
    pairs = []
    for copy in copies:
        height, width = copy.shape[0] // scale, copy.shape[1] // scale
        if min(height, width) < smallest:
            continue
        high = np.ascontiguousarray(copy[: height * scale, : width * scale])
        planes = [np.ascontiguousarray(high[:, :, channel]) for channel in range(3)]
        low = np.dstack([bicubic(plane, height, width) for plane in planes])
        qualities = rng.integers(*QUALITIES, size=VERSIONS, endpoint=True)
        pairs.append(ColourPair(high, (low, *(jpeg(low, int(each)) for each in qualities))))
    return pairs


class ColourPatches:
    """Draws patches in proportion to the pictures' areas, flipped and transposed at random."""

    def __init__(self, pairs: list[ColourPair], scale: int, seed: int) -> None:
        self._pairs, self._scale = pairs, scale
        areas = np.array([pair.lows[0].size for pair in pairs], float)
        self._shares = areas / areas.sum()
        self._random = np.random.default_rng(seed)

    def draw(self, count: int, size: int, compressed: float, patterns: float) -> Batch:
        """Return ``count`` patches of ``size``; shares of compressed ones and of patterns."""
        kinds = self._random.choice(3, count, p=[1 - compressed - patterns, compressed, patterns])
        cuts = [self._pattern(size) if k == PATTERN else self._cut(size, k) for k in kinds]
        low, high = (
            torch.from_numpy(np.stack(each).transpose(0, 3, 1, 2).copy()).float() / 255
            for each in zip(*cuts, strict=True)
        )
        return Batch(low, high, torch.from_numpy(kinds))

    def _cut(self, size: int, kind: int) -> tuple[Picture, Picture]:
        random, scale = self._random, self._scale
        pair = self._pairs[random.choice(len(self._pairs), p=self._shares)]
        low = pair.lows[0 if kind == CLEAN else random.integers(1, len(pair.lows))]
        y, x = (random.integers(0, side - size, endpoint=True) for side in low.shape[:2])
        turn, flip = int(random.integers(4)), random.random() < 0.5
        parts = []
        for picture, factor in ((low, 1), (pair.high, scale)):
            top, left, side = y * factor, x * factor, size * factor
            part = np.rot90(picture[top : top + side, left : left + side], turn)
            parts.append(part[:, ::-1] if flip else part)
        return parts[0], parts[1]

    def _pattern(self, size: int) -> tuple[Picture, Picture]:
        """Return noise, a grid or a dither, and its bicubic enlargement.

        Networks that were taught photographs only answer these with values of thousands.
        """
        random = self._random
        rows, columns = np.mgrid[:size, :size]
        a, b, period = random.integers(0, 3), random.integers(0, 3), random.integers(2, 7)
        grid = (((rows * a + columns * b) % period) < period // 2)[:, :, None]
        gray = random.random() < 0.5
        noise = random.random((size, size, 1 if gray else 3))
        level = random.random() if random.random() < 0.5 else rows[:, :, None] / size
        ends = random.integers(0, 256, (2, 1 if gray else 3))
        if random.random() < 0.3:
            ends = np.array([[0], [255]])
        mask = (noise, noise < level, grid)[random.integers(3)]
        low = np.broadcast_to(ends[0] + (ends[1] - ends[0]) * mask, (size, size, 3))
        low = np.ascontiguousarray(low.astype(np.uint8))
        side = size * self._scale
        high = cv2.resize(low, (side, side), interpolation=cv2.INTER_CUBIC)
        return low, np.asarray(high, np.uint8)
