"""How far an enlarged picture may be from its input before it counts as another picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """``psnr`` in dB, of the whole picture scaled down again; MIN_CONSISTENCY.

    ``block``: levels, by which the mean colour of the worst block may differ; MAX_SHIFT.
    """

    psnr: float = 6.0
    block: float = 64.0


BOUNDS = Bounds()
