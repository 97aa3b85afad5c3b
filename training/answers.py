"""Damaged patches and a teacher's answers to them, in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.networks.catalogue import Weights
from training.colour_patches import Picture, read
from training.damage import damage
from workers.upscaler.openvino import OpenVINO

SIZE, SCALE = 64, 4  # of the patches, in pixels of the input; of the teacher
_FLAT_LEVELS, _FLAT_SHARE = 6, 0.2  # fewer patches without detail: there is little to learn

Answer = Callable[[Picture], Picture]


class Answers:
    """Damaged patches (n, 64, 64, 3) and the teacher's answers to them, in files."""

    def __init__(self, folder: Path) -> None:
        self.low = np.load(folder / "low.npy", mmap_mode="r")
        self.high = np.load(folder / "high.npy", mmap_mode="r")
        self._random = np.random.default_rng(1)

    @staticmethod
    def write(folder: Path, pictures: list[Path], teacher: Answer, count: int) -> None:
        """Damage random parts of ``pictures`` and ask ``teacher``: a second of a core for 20."""
        rng = np.random.default_rng(1)
        read_ones = [read(path) for path in pictures]
        areas = np.array([each.size for each in read_ones], float)
        lows: list[Picture] = []
        while len(lows) < count:
            picture = read_ones[rng.choice(len(read_ones), p=areas / areas.sum())]
            low = damage(
                picture, rng.uniform(1, max(1, min(4, min(picture.shape[:2]) / SIZE))), rng
            )
            height, width = low.shape[:2]
            if min(height, width) < SIZE:
                continue
            for _ in range(max(1, min(4, height * width // (SIZE * SIZE * 4)))):
                y, x = rng.integers(height - SIZE + 1), rng.integers(width - SIZE + 1)
                patch = low[y : y + SIZE, x : x + SIZE]
                if patch.std() >= _FLAT_LEVELS or rng.random() < _FLAT_SHARE:
                    lows.append(patch)
        np.save(folder / "low.npy", np.stack(lows[:count]))
        shape = (count, SIZE * SCALE, SIZE * SCALE, 3)
        high = np.lib.format.open_memmap(folder / "high.npy", "w+", np.uint8, shape)
        for number, low in enumerate(lows[:count]):
            high[number] = teacher(low)
        high.flush()

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``count`` patches and answers (n, 3, h, w), turned and flipped, in 0 to 1."""
        chosen = np.sort(self._random.integers(len(self.low), size=count))
        turn, flip = int(self._random.integers(4)), self._random.random() < 0.5
        low, high = (np.rot90(each[chosen], turn, (1, 2)) for each in (self.low, self.high))
        return tensor(low[:, :, ::-1] if flip else low), tensor(high[:, :, ::-1] if flip else high)


def tensor(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Return (n, h, w, 3) uint8 as (n, 3, h, w) in 0 to 1."""
    planes = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return planes.float().div(255).contiguous(memory_format=torch.channels_last)


def asking(path: Path) -> Answer:
    """Return the teacher: a function of one RGB picture (h, w, 3) to one ``SCALE`` times as large.

    In bf16, which halves the time and moves its answers by a level.
    """
    engine = OpenVINO("bf16")
    weights = Weights(path.stem, "rgb", SCALE, path.name, "", 0)

    def answer(low: Picture) -> Picture:
        return engine.enlarge(path, weights, low[:, :, ::-1])[:, :, ::-1]

    return answer
