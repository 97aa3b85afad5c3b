"""Print resolution: read it from any header, scale it, and put it into each format.

So a print keeps its size, and pixels that are not square keep their shape.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from PIL import Image

from workers.imaging import exif_block

_METRES_PER_INCH = 0.0254
_LEAST, _MOST = 1.0, 1e6
"""Pixels per inch that a header may say: 1 or less is what programs write that know none."""
_UNKNOWN = 72.0  # EXIF 2.32, 4.6.5.2: cameras write it where they know none
_MAX_JFIF = 0xFFFF
_MAX_PHYS = 0x7FFFFFFF
_MAX_RATIO = 1000  # of the numbers in a ratio without unit
_PHOTOSHOP_RESOLUTION = 0x03ED  # number of the image resource that holds it


@dataclass(frozen=True)
class Resolution:
    """Pixels per inch, across and down; not ``absolute``: only their ratio is known."""

    x: float
    y: float
    absolute: bool = True

    def turned(self) -> Resolution:
        """Return it after a quarter turn."""
        return Resolution(self.y, self.x, self.absolute)

    def scaled(self, across: float, down: float) -> Resolution:
        """Return it with that many times more pixels on the same paper."""
        return Resolution(self.x * across, self.y * down, self.absolute)

    @property
    def is_default(self) -> bool:
        """Whether it is what programs write that know none."""
        return self.absolute and self.x == self.y == _UNKNOWN

    def jfif(self) -> tuple[int, int, int] | None:
        """Return (unit, x, y) of a JFIF header; None if they do not fit."""
        x, y = (round(self.x), round(self.y)) if self.absolute else self._ratio()
        return (int(self.absolute), x, y) if min(x, y) > 0 and max(x, y) <= _MAX_JFIF else None

    def phys(self) -> bytes | None:
        """Return the body of a PNG's pHYs chunk; None if the numbers do not fit."""
        x, y = self._ratio()
        if self.absolute:
            x, y = round(self.x / _METRES_PER_INCH), round(self.y / _METRES_PER_INCH)
        if min(x, y) < 1 or max(x, y) > _MAX_PHYS:
            return None
        return struct.pack(">IIB", x, y, int(self.absolute))

    def _ratio(self) -> tuple[int, int]:
        ratio = Fraction(self.x / self.y).limit_denominator(_MAX_RATIO)
        return ratio.numerator, ratio.denominator

    def __str__(self) -> str:
        if not self.absolute:
            return "{}:{}".format(*self._ratio())
        x, y = (f"{value:.4g}" if value < 1000 else f"{value:.0f}" for value in (self.x, self.y))
        return f"{x} dpi" if x == y else f"{x} x {y} dpi"


def read(file: Image.Image, exif: bytes) -> Resolution | None:
    """Return the resolution of ``file`` as stored, before its orientation; None: it says none.

    ``exif``: its EXIF block. The header of the format comes first, then EXIF, then Photoshop's
    resources; numbers that cannot be meant do not count. A ratio comes before what programs write
    that know no resolution: else pixels would be squeezed.
    """
    info = file.info
    if file.format in {"PNG", "TIFF", "BMP"}:
        found = _resolution(info.get("dpi"))
        ratio = _resolution(info.get("aspect") or info.get("resolution"), absolute=False)
    else:
        unit, density = info.get("jfif_unit"), info.get("jfif_density")
        found = _resolution(density, scale=2.54 if unit == 2 else 1.0) if unit in {1, 2} else None
        ratio = _resolution(density, absolute=False) if unit == 0 else None
    found = found or exif_resolution(exif) or _photoshop_resolution(info.get("photoshop"))
    return ratio if ratio and (found is None or found.is_default) else found


def exif_resolution(exif: bytes) -> Resolution | None:
    """Return the resolution that an EXIF block says."""
    numbers = exif_block.read_resolution(exif)
    if numbers is None:
        return None
    x, y, unit = numbers
    if unit == 1:
        return _resolution((x, y), absolute=False)
    return _resolution((x, y), scale=2.54 if unit == 3 else 1.0)


def exif_numbers(resolution: Resolution) -> tuple[Fraction, Fraction, int]:
    """Return X resolution, Y resolution and unit (1: none, 2: inch) as EXIF has them."""
    if not resolution.absolute:
        above, below = resolution._ratio()
        return Fraction(above), Fraction(below), 1
    x, y = (Fraction(value).limit_denominator(_MAX_RATIO) for value in (resolution.x, resolution.y))
    return x, y, 2


def _resolution(pair: Any, scale: float = 1.0, *, absolute: bool = True) -> Resolution | None:
    """Return the pair of numbers as a resolution, unless they cannot be meant."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        return None
    x, y = (float(value) * scale for value in pair)
    if not all(math.isfinite(value) and 0 < value <= _MOST for value in (x, y)):
        return None
    if absolute:
        return Resolution(_whole(x), _whole(y)) if min(x, y) > _LEAST else None
    return Resolution(x, y, absolute=False) if x != y else None


def _whole(dpi: float) -> float:
    """Return a whole number of dots per inch where a PNG, in dots per metre, means one."""
    near = float(round(dpi))
    return near if abs(dpi - near) <= _METRES_PER_INCH / 2 else dpi


def _photoshop_resolution(resources: Any) -> Resolution | None:
    found = resources.get(_PHOTOSHOP_RESOLUTION) if isinstance(resources, dict) else None
    if not isinstance(found, dict):
        return None
    return _resolution((found.get("XResolution", 0), found.get("YResolution", 0)))
