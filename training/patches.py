"""Batches of patches, cut from the pictures at random, flipped and transposed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from training.dataset import Pair


class Patches:
    """All pictures on the training device, and batches of patches cut from them.

    Cutting is index arithmetic: a batch takes some twenty small GPU kernels, and no host work.
    """

    def __init__(self, pairs: Sequence[Pair], scale: int, device: str, seed: int) -> None:
        """Each of ``pairs`` has the same number of compressed versions."""
        self._scale, self._device = scale, device
        self._versions = len(pairs[0].compressed)
        self._random = torch.Generator(device).manual_seed(seed)
        lows = [plane for each in pairs for plane in (each.low, *each.compressed)]
        self._low = self._flat([plane.ravel() for plane in lows])
        self._high = self._flat([each.high.ravel() for each in pairs])
        areas = np.array([each.low.size for each in pairs])
        ends = areas.cumsum()
        self._area, self._ends = self._flat([areas]), self._flat([ends])
        self._height = self._flat([np.array([each.low.shape[0] for each in pairs])])
        self._width = self._flat([np.array([each.low.shape[1] for each in pairs])])
        self._begin = self._ends - self._area

    def _flat(self, arrays: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(arrays)).to(self._device)

    def draw(
        self, count: int, size: int, compressed_share: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return low (count, 1, size, size) and high, ``scale`` times that, float32 in 0 to 1.

        Pictures are drawn in proportion to their area, patches flipped and transposed at random;
        ``compressed_share`` of the low ones went through JPEG.
        """

        def chance() -> torch.Tensor:
            return torch.rand(
                count, device=self._device, generator=self._random, dtype=torch.float64
            )

        total = self._ends[-1]
        index = torch.searchsorted(self._ends, (chance() * total).long(), right=True)
        version = 1 + (chance() * self._versions).long()
        version = torch.where(chance() < compressed_share, version, 0)
        width, area = self._width[index], self._area[index]
        y = (chance() * (self._height[index] - size + 1)).long()
        x = (chance() * (width - size + 1)).long()
        flips = torch.stack([chance() < 0.5 for _ in range(3)])
        low = self._begin[index] * (1 + self._versions) + version * area
        high = self._begin[index] * self._scale**2
        return (
            self._cut(self._low, low, width, y, x, size, flips),
            self._cut(
                self._high,
                high,
                width * self._scale,
                y * self._scale,
                x * self._scale,
                size * self._scale,
                flips,
            ),
        )

    def _cut(
        self,
        pixels: torch.Tensor,
        begin: torch.Tensor,
        width: torch.Tensor,
        y: torch.Tensor,
        x: torch.Tensor,
        size: int,
        flips: torch.Tensor,
    ) -> torch.Tensor:
        """Return (count, 1, size, size) from planes starting at index ``begin``, corners (x, y)."""
        along = torch.arange(size, device=self._device)
        rows = torch.where(flips[0, :, None], size - 1 - along, along)[:, :, None]
        columns = torch.where(flips[1, :, None], size - 1 - along, along)[:, None, :]
        turned = flips[2, :, None, None]
        down, across = torch.where(turned, columns, rows), torch.where(turned, rows, columns)
        y, x, width, begin = (each[:, None, None] for each in (y, x, width, begin))
        return pixels[begin + (y + down) * width + x + across][:, None].float() / 255
