"""A decoded image: pixels, alpha, colour profile, print resolution, metadata, notes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.imaging.metadata import NO_METADATA, Metadata
from workers.imaging.resolution import Resolution

Pixels = NDArray[np.uint8]
"""uint8, 0 to 255: (height, width) grayscale or (height, width, 3) BGR."""
Samples = NDArray[np.uint8 | np.uint16]
"""The same, or uint16, 0 to 65535, from a 16-bit PNG."""


@dataclass(frozen=True)
class Picture:
    """Pixels and what belongs to them.

    ``pixels``: (h, w) or (h, w, 3) BGR, uint8 or uint16. ``alpha``: (h, w) of the same depth; None:
    opaque. ``icc``: colour profile of the pixels; None: sRGB. If the decoder scaled the image down,
    ``full_size`` is the (width, height) of the whole image, and ``content_box`` the (left, top,
    right, bottom) that it covers of ``pixels``: a decoder rounds up, so 1601 columns scaled
    by 8 give 201, and the image ends after an eighth of the last. ``resolution``: that of a print,
    upright; ``metadata``: what results carry. ``few_colours``: the file had a palette or
    fewer than 8 bits a sample; a PNG of it is written so again if its colours allow it.
    ``jpeg_quality``: 1 to 100, of the file's tables; None: another format, or pixels that were
    changed since. ``notes``:
    for the user, see ``workers.imaging.notes``.
    """

    pixels: Samples
    alpha: Samples | None = None
    icc: bytes | None = None
    full_size: tuple[int, int] | None = None
    content_box: tuple[float, float, float, float] | None = None
    resolution: Resolution | None = None
    metadata: Metadata = NO_METADATA
    few_colours: bool = False
    jpeg_quality: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def is_16_bit(self) -> bool:
        """Whether samples have 16 bits, not 8."""
        return bool(self.pixels.dtype == np.uint16)

    @property
    def max_value(self) -> int:
        """The value of a white sample: 255, or 65535 where samples have 16 bits."""
        return int(np.iinfo(self.pixels.dtype).max)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole image in pixels, from which result sizes are computed."""
        return self.full_size or (self.width, self.height)

    def with_pixels(self, pixels: Samples, alpha: Samples | None) -> Picture:
        return replace(
            self, pixels=pixels, alpha=alpha, full_size=None, content_box=None, jpeg_quality=None
        )

    def printed_alike(self, across: float, down: float) -> Picture:
        """Return it with the print resolution times these factors of its pixels across and down.

        So its print keeps the size that it had with fewer or more pixels.
        """
        scaled = self.resolution and self.resolution.scaled(across, down)
        return replace(self, resolution=scaled)

    def window(self, x: int, y: int, width: int, height: int) -> Picture:
        """Return the rectangle from column ``x`` and row ``y`` on, as a view of the same memory."""
        rows, columns = slice(y, y + height), slice(x, x + width)
        alpha = None if self.alpha is None else self.alpha[rows, columns]
        return self.with_pixels(self.pixels[rows, columns], alpha)
