"""The bundled networks for luma: width, depth and training steps of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from training.train import Recipe

LumaQuality = Literal["fast", "balanced"]
QUALITIES: tuple[LumaQuality, ...] = get_args(LumaQuality)
SCALES = (2, 3, 4)
_SHAPES: dict[LumaQuality, Recipe] = {
    "fast": Recipe(channels=14, depth=20, batch=16),
    "balanced": Recipe(channels=32, depth=12, batch=16),
}
_STEPS: dict[LumaQuality, tuple[int, int, int]] = {
    "fast": (72_743, 20_290, 20_278),
    "balanced": (67_953, 17_536, 17_404),
}
"""For x2, x3 and x4; the latter two start from the network for x2."""


def bundled(quality: LumaQuality, scale: int) -> Recipe:
    """Return the recipe of one bundled network."""
    return replace(_SHAPES[quality], scale=scale, steps=_STEPS[quality][SCALES.index(scale)])
