"""Whether an enlarged picture is the picture that came in: never call a black one a success.

What was enlarged is scaled down again and held against the input. Networks sharpen, so the two
differ; how much they may is MIN_CONSISTENCY and MAX_SHIFT, measured by ``python -m bench.sanity``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from models.errors import BadOutput, WeightsUnusable
from workers.picture import Pixels
from workers.upscaler.bounds import Bounds
from workers.upscaler.engine import Unreadable

log = structlog.get_logger()

_FLAT = 2.0  # standard deviation, in levels, from which a picture is certainly not of one colour
_DOUBT = 20.0  # dB, under which a result must at least be nearer than one flat colour is
_SMALL = 8  # pixels: a side below it is all border, where networks see mostly padding
_BAND = 1024  # rows of the input compared at once; of 32-pixel blocks a whole number
_BLOCK = 32  # side, in input pixels, of the blocks whose mean colour is compared

Attempt = tuple[str, Callable[[], Pixels]]
"""The name of an engine, and what has it enlarge the picture."""


@dataclass(frozen=True)
class Finding:
    """What was measured, and what is wrong with it; an empty ``fault`` is none."""

    psnr: float
    block: float
    fault: str


def enlarged(before: Pixels, attempts: Sequence[Attempt], bounds: Bounds) -> tuple[str, Pixels]:
    """Return the first sound result of ``attempts``, the last being the reference, and its engine.

    Raises:
        BadOutput: none of them was sound.
        WeightsUnusable: no engine can run the network.
    """
    finding = None
    reasons = {}
    for engine, attempt in attempts:
        try:
            after = attempt()
        except Unreadable as error:
            log.warning("network_unreadable", engine=engine, reason=str(error))
            reasons[engine] = str(error)
            continue
        finding = examine(before, after, bounds)
        if not finding.fault:
            return engine, after
        del after
        log.error("bad_output", engine=engine, fault=finding.fault)
    if finding is None:
        said = "; ".join(f"{engine}: {reason}" for engine, reason in reasons.items())
        raise WeightsUnusable(f"no engine here can run this network. {said}")
    raise BadOutput(
        f"the enlarged picture is not the one that was sent: {finding.fault}",
        engines=[engine for engine, _ in attempts if engine not in reasons],
    )


def examine(before: Pixels, after: NDArray[Any], bounds: Bounds) -> Finding:
    """Compare ``after`` with ``before``, of which it is an enlargement by a whole factor.

    ``before``: (h, w) or (h, w, 3) uint8. ``after``: (h*s, w*s) likewise, or a float array, which
    must be finite. Bytes are compared in bands of rows, so that little memory is taken beside them.
    """
    if after.dtype != np.uint8:
        if not np.isfinite(after).all():
            return Finding(0.0, 255.0, "it has values that are no numbers")
        after = np.clip(np.rint(after), 0, 255).astype(np.uint8)
    size = (before.shape[1], before.shape[0])
    scale = after.shape[0] // before.shape[0]
    square, block = 0.0, 0.0
    for top in range(0, size[1], _BAND):
        part = before[top : top + _BAND]
        shown = after[top * scale : (top + len(part)) * scale]
        back = np.asarray(
            cv2.resize(shown, (size[0], len(part)), interpolation=cv2.INTER_AREA), np.uint8
        )
        square += cv2.norm(part, back, cv2.NORM_L2SQR) / before.size
        block = max(block, _worst_block(part, back))
    psnr = ratio(square)
    deviation = np.asarray(cv2.meanStdDev(before)[1])
    fault = ""
    if deviation.max() > _FLAT and after.min() == after.max():
        fault = f"all of it is {int(after.flat[0])}, and the input is not flat"
    elif min(size) >= _SMALL:
        if psnr < bounds.psnr:
            fault = f"scaled down it is {psnr:.1f} dB PSNR from the input; {bounds.psnr:g} pass"
        elif psnr < _DOUBT and square > float((deviation**2).mean()):
            fault = "scaled down it is further from the input than one flat colour"
        elif block > bounds.block:
            fault = f"a part of it is {block:.0f} levels off on average; {bounds.block:g} pass"
    return Finding(psnr, block, fault)


def ratio(mean_square: float) -> float:
    """Return the PSNR in dB of a mean squared error in levels; 99 where there is none."""
    return min(99.0, 10 * math.log10(255**2 / mean_square)) if mean_square > 0 else 99.0


def _worst_block(before: Pixels, back: Pixels) -> float:
    """Return by how many levels the mean colour of the worst block differs."""
    size = tuple(max(1, side // _BLOCK) for side in before.shape[1::-1])
    means = [
        cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(np.int16) for p in (before, back)
    ]
    return float(np.abs(means[0] - means[1]).max())
