"""Whether an enlarged picture is the picture that came in: never call a black one a success.

What was enlarged is scaled down again and held against the input. Networks sharpen, so the two
differ; how much they may is MIN_CONSISTENCY and MAX_SHIFT, measured by ``python -m bench.sanity``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import structlog

from models.errors import BadOutput, WeightsUnusable
from workers.imaging.picture import Pixels
from workers.upscaler.bounds import Bounds
from workers.upscaler.engine import NotFinite, Unreadable

log = structlog.get_logger()

_FLAT = 2.0  # standard deviation, in levels, from which a picture is certainly not of one colour
_SPARE = 4.0  # levels that a sound network may move a flat picture; measured: 3.2
_DIM, _LEAST = 8.0, 0.25  # of blocks brighter than 8 levels, sound networks keep 0.56 of the light
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
            log.warning("network_unreadable", engine=engine, reason=f"{error} {error.detail}")
            reasons[engine] = str(error)
            continue
        except NotFinite:
            finding = Finding(0.0, 255.0, "it has values that are no numbers")
        else:
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


def examine(before: Pixels, after: Pixels, bounds: Bounds) -> Finding:
    """Compare ``after`` with ``before``, of which it is an enlargement by a whole factor.

    ``before``: (h, w) or (h, w, 3) uint8. ``after``: (h*s, w*s) likewise. They are compared in
    bands of rows, so that little memory is taken beside them.
    """
    size = (before.shape[1], before.shape[0])
    scale = after.shape[0] // before.shape[0]
    square, block, light = 0.0, 0.0, 1.0
    for top in range(0, size[1], _BAND):
        part = before[top : top + _BAND]
        shown = after[top * scale : (top + len(part)) * scale]
        back = np.asarray(
            cv2.resize(shown, (size[0], len(part)), interpolation=cv2.INTER_AREA), np.uint8
        )
        square += cv2.norm(part, back, cv2.NORM_L2SQR) / before.size
        shift, kept = _worst_blocks(part, back)
        block, light = max(block, shift), min(light, kept)
    psnr = ratio(square)
    deviation = np.asarray(cv2.meanStdDev(before)[1])
    fault = ""
    if deviation.max() > _FLAT and after.min() == after.max():
        fault = f"all of it is {int(after.flat[0])}, and the input is not flat"
    elif min(size) >= _SMALL:
        if psnr < bounds.psnr:
            fault = f"scaled down it is {psnr:.1f} dB PSNR from the input; {bounds.psnr:g} pass"
        elif square > float((deviation**2).mean()) + _SPARE**2:
            fault = "scaled down it is further from the input than one flat colour"
        elif block > bounds.block:
            fault = f"a part of it is {block:.0f} levels off on average; {bounds.block:g} pass"
        elif light < _LEAST:
            fault = f"a part of it has {light:.0%} of its light"
    return Finding(psnr, block, fault)


def ratio(mean_square: float) -> float:
    """Return the PSNR in dB of a mean squared error in levels; 99 where there is none."""
    return min(99.0, 10 * math.log10(255**2 / mean_square)) if mean_square > 0 else 99.0


def _worst_blocks(before: Pixels, back: Pixels) -> tuple[float, float]:
    """Return by how many levels a block's mean colour differs at most, and the light it keeps.

    The latter is of the block that lost most, 0 to 1; light is the mean of the channels.
    """
    size = tuple(max(1, side // _BLOCK) for side in before.shape[1::-1])
    was, now = (
        cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(np.float32) for p in (before, back)
    )
    shift = float(np.abs(was - now).max())
    if was.ndim == 3:
        was, now = was.mean(axis=2), now.mean(axis=2)
    kept = now[was > _DIM] / was[was > _DIM]
    return shift, min(1.0, float(kept.min())) if kept.size else 1.0
