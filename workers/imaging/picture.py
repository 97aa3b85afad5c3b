"""A decoded picture as the operations see it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""uint8, 0 to 255: (height, width) grayscale or (height, width, 3) BGR."""
Samples = NDArray[np.uint8 | np.uint16]
"""The same, or uint16, 0 to 65535: what a 16-bit PNG holds."""


@dataclass(frozen=True)
class Picture:
    """Pixels with what belongs to them.

    ``pixels``: (h, w) or (h, w, 3) BGR, uint8 or uint16. ``alpha``: (h, w) of the same depth, or
    None for opaque.
    ``icc``: the colour profile the pixels are in, or None for sRGB. Where the decoder scaled the
    picture down on the way, ``full`` is the (width, height) of the whole picture, and ``box`` the
    (left, top, right, bottom) that it takes of the pixels at hand: a decoder rounds up, so that of
    1601 columns scaled by 8 it makes 201, and the picture ends after an eighth of the last.
    ``notes``: what had to be given up or changed on the way, in words.
    """

    pixels: Samples
    alpha: Samples | None = None
    icc: bytes | None = None
    full: tuple[int, int] | None = None
    box: tuple[float, float, float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def deep(self) -> bool:
        """Whether samples have 16 bits, not 8."""
        return bool(self.pixels.dtype == np.uint16)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole picture, in pixels: what results are computed from."""
        return self.full or (self.width, self.height)

    def with_pixels(self, pixels: Samples, alpha: Samples | None) -> Picture:
        return replace(self, pixels=pixels, alpha=alpha, full=None, box=None)

    def window(self, x: int, y: int, width: int, height: int) -> Picture:
        """Return the rectangle from column ``x`` and row ``y`` on, as a view of the same memory."""
        rows, columns = slice(y, y + height), slice(x, x + width)
        alpha = None if self.alpha is None else self.alpha[rows, columns]
        return self.with_pixels(self.pixels[rows, columns], alpha)
