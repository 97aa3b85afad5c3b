"""A decoded picture as the operations see it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""uint8, 0 to 255: (height, width) grayscale or (height, width, 3) BGR."""


@dataclass(frozen=True)
class Picture:
    """Pixels with what belongs to them.

    ``pixels``: (h, w) or (h, w, 3) BGR uint8. ``alpha``: (h, w) uint8 or None for opaque.
    ``icc``: the colour profile the pixels are in, or None for sRGB. ``full``: (width, height) of
    the whole picture where the decoder scaled it down on the way.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    full: tuple[int, int] | None = None

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole picture, in pixels: what results are computed from."""
        return self.full or (self.width, self.height)

    def with_pixels(self, pixels: Pixels, alpha: Pixels | None) -> Picture:
        return replace(self, pixels=pixels, alpha=alpha, full=None)
