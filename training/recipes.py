"""The bundled networks: width, depth and training steps of each."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from models.operations.upscale import FaithfulQuality
from training.train import Recipe

QUALITIES: tuple[FaithfulQuality, ...] = get_args(FaithfulQuality)
SCALES = (2, 3, 4)
_SHAPES: dict[FaithfulQuality, Recipe] = {
    "fast": Recipe(channels=14, depth=20, batch=16),
    "balanced": Recipe(channels=32, depth=12, batch=16),
    "best": Recipe(channels=96, depth=22, batch=16, residual=True),
}
_STEPS: dict[FaithfulQuality, tuple[int, int, int]] = {
    "fast": (72_743, 20_290, 20_278),
    "balanced": (67_953, 17_536, 17_404),
    "best": (19_672, 6129, 6303),
}
"""For x2, x3 and x4; the latter two start from the network for x2."""


def bundled(quality: FaithfulQuality, scale: int) -> Recipe:
    """Return the recipe of one bundled network."""
    return replace(_SHAPES[quality], scale=scale, steps=_STEPS[quality][SCALES.index(scale)])
