"""The bundled networks: how wide and deep each is, and how long it is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from models.operations.upscale import Quality
from training.train import Recipe

QUALITIES: tuple[Quality, ...] = get_args(Quality)
SCALES = (2, 3, 4)
_FIRST: dict[Quality, Recipe] = {
    "fast": Recipe(channels=14, depth=20, steps=60_000),
    "balanced": Recipe(channels=32, depth=12, steps=50_000),
    "best": Recipe(channels=48, depth=16, steps=34_000),
}
MIRRORED: frozenset[Quality] = frozenset({"best"})
"""Exported as four networks side by side, export.graph: four times the price for 0.1 dB."""
_FURTHER: dict[Quality, int] = {"fast": 16_000, "balanced": 11_000, "best": 7_000}
"""Steps of the other scales, which begin with what was learned for x2."""


def bundled(quality: Quality, scale: int) -> Recipe:
    """Return the recipe of one bundled network."""
    first = _FIRST[quality]
    return first if scale == 2 else replace(first, scale=scale, steps=_FURTHER[quality])
