"""Several networks for one picture: the photo network's result, blended with the faithful one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from models.networks.catalogue import Weights
from models.operations.photo import PHOTO
from workers.imaging.picture import Pixels
from workers.upscaler import sanity, tiles
from workers.upscaler.colour import FILTER_RADIUS
from workers.upscaler.sanity import SanityLimits

_REAL_ESRGAN = "realesr"
"""How the names of Real-ESRGAN's networks begin, which ``make weights real-esrgan`` fetches."""


@dataclass(frozen=True)
class Blend:
    """One or two networks of one scale.

    ``strength``: percent of the first one's result; the rest is the second one's or, without a
    second, the picture's own, which only scale 1 allows.
    """

    networks: tuple[Weights, ...]
    strength: int = 100

    @property
    def first(self) -> Weights:
        return self.networks[0]

    @property
    def scale(self) -> int:
        return self.first.scale

    @property
    def overlap(self) -> int:
        """Pixels of the input by which tiles overlap."""
        return max(FILTER_RADIUS, *(each.radius for each in self.networks))

    @property
    def takes_luma(self) -> bool:
        """Whether one of the networks takes luma only, so that something else enlarges chroma."""
        return not all(each.takes_colour for each in self.networks)

    @property
    def is_published(self) -> bool:
        """Whether it is one of OpenCV's, which are run as OpenCV does."""
        return bool(self.first.url)

    @property
    def mends(self) -> bool:
        """Whether it takes noise and blocks away: the result is not to show them."""
        return self.first.name.startswith((PHOTO, _REAL_ESRGAN))

    @property
    def limits(self) -> SanityLimits:
        return sanity.DENOISED_LIMITS if self.mends else sanity.DEFAULT_LIMITS

    def of_alpha(self) -> Blend:
        """Return the blend for alpha: the most faithful network alone."""
        return Blend(self.networks[-1:])

    def tile_side(self, best: int, area: int) -> int:
        """Return the side of tiles for a picture of ``area`` pixels, see ``tiles.tile_side``."""
        return min(tiles.tile_side(best, each, area) for each in self.networks)

    def enlarge(self, run: Callable[[Weights, Pixels], Pixels], part: Pixels) -> Pixels:
        """Return ``part`` enlarged by ``run`` with each network, and blended."""
        made, *others = (run(each, part) for each in self.networks)
        if self.strength == 100:
            return made
        share, rest = self.strength / 100, others[0] if others else part
        return np.asarray(cv2.addWeighted(made, share, rest, 1 - share, 0), np.uint8)
