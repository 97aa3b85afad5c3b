"""Batches of patches, cut from the pictures at random, flipped and transposed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from training.pictures import Pair


def patches(
    pairs: list[Pair],
    scale: int,
    size: int,
    count: int,
    compressed_share: float,
    rng: np.random.Generator,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches without end: low (count, 1, size, size) and high, float32 in 0 to 1.

    Pictures are drawn in proportion to their area, patches flipped and transposed at random.
    """
    areas = np.array([p.low.size for p in pairs], float)
    chance = areas / areas.sum()
    while True:
        lows: list[NDArray[np.uint8]] = []
        highs: list[NDArray[np.uint8]] = []
        for index in rng.choice(len(pairs), count, p=chance):
            source = pairs[index]
            low = source.low
            if rng.random() < compressed_share:
                low = source.compressed[rng.integers(len(source.compressed))]
            y = int(rng.integers(low.shape[0] - size + 1))
            x = int(rng.integers(low.shape[1] - size + 1))
            a = low[y : y + size, x : x + size]
            b = source.high[y * scale : (y + size) * scale, x * scale : (x + size) * scale]
            flips = rng.integers(2, size=3)
            if flips[0]:
                a, b = a[::-1], b[::-1]
            if flips[1]:
                a, b = a[:, ::-1], b[:, ::-1]
            if flips[2]:
                a, b = a.T, b.T
            lows.append(a)
            highs.append(b)
        yield (
            torch.from_numpy(np.stack(lows)[:, None].astype(np.float32) / 255),
            torch.from_numpy(np.stack(highs)[:, None].astype(np.float32) / 255),
        )
