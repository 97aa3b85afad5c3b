"""Check that an enlarged image still shows its input: a black one must not count as success.

The result is scaled down again and compared with the input. Networks sharpen, so the two differ;
``SanityLimits`` says by how much, measured by ``python -m bench.sanity``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from models.errors import BadOutput, WeightsUnusable
from workers.imaging.picture import Pixels
from workers.upscaler.engine import NonFiniteOutput, UnusableNetwork

log = structlog.get_logger()

_FLAT_TOLERANCE_LEVELS = 4.0  # a sound network moves a flat picture by up to 3.2 levels (measured)
_MIN_CORRELATION = 0.5  # beyond that: networks more than double the contrast of faint patterns
_DARK_LEVEL = 8.0  # darker blocks are not checked for lost light
_MIN_LIGHT_SHARE = 0.25  # of a block's light; sound networks keep 0.56 (measured)
_MIN_CHECKED_SIDE = 8  # in pixels; a shorter side is all border, where networks see mostly padding
_BAND_ROWS = 128  # of the input compared at once, the last time up to twice as many: whole blocks
_BLOCK_SIDE = 32  # side, in input pixels, of the blocks whose mean colour is compared

Attempt = tuple[str, Callable[[], Pixels]]
"""Label of an engine, and a function that enlarges the image with it."""


@dataclass(frozen=True)
class SanityLimits:
    """How far an enlarged image, scaled down again, may differ from its input.

    ``min_psnr_db``: of the whole image, light apart; sound networks reach 9 on a checkerboard, 35
    on photographs. ``max_block_shift``: levels by which the mean colour of the worst
    block may differ; sound networks shift stripes by 34, photographs by 3. ``flat_deviation``:
    standard deviation in levels above which a picture is not flat. ``flat_factor``: how many times
    the mean square of one flat colour is allowed without correlation.
    """

    min_psnr_db: float = 6.0
    max_block_shift: float = 64.0
    flat_deviation: float = 2.0
    flat_factor: float = 1.0


DEFAULT_LIMITS = SanityLimits()
DENOISED_LIMITS = SanityLimits(min_psnr_db=4.0, flat_deviation=40.0, flat_factor=1.5)
"""For networks that take noise and fine patterns away: realesr-general-x4v3 makes flat gray of a
checkerboard (5.9 dB), and nearly that of noise on gray."""


@dataclass(frozen=True)
class SanityCheck:
    """Measurements, and the fault found; empty: none."""

    psnr_db: float
    block_shift: float
    fault: str


def enlarge_checked(
    before: Pixels, attempts: Sequence[Attempt], limits: SanityLimits = DEFAULT_LIMITS
) -> tuple[str, Pixels]:
    """Return the first sound result of ``attempts``, the last being the reference, and its engine.

    Raises:
        BadOutput: no result was sound.
        WeightsUnusable: no engine can run the network.
    """
    finding = None
    reasons = {}
    for engine, attempt in attempts:
        try:
            after = attempt()
        except UnusableNetwork as error:
            log.warning("network_unusable", engine=engine, reason=f"{error} {error.detail}")
            reasons[engine] = str(error)
            continue
        except NonFiniteOutput:
            finding = SanityCheck(0.0, 255.0, "it has NaN or infinite values")
        else:
            finding = check_enlargement(before, after, limits)
            if not finding.fault:
                return engine, after
            del after
        log.error("upscale_check_failed", engine=engine, fault=finding.fault)
    if finding is None:
        details = "; ".join(f"{engine}: {reason}" for engine, reason in reasons.items())
        raise WeightsUnusable(f"no engine here can run this network. {details}")
    raise BadOutput(
        f"the enlarged picture does not match the input: {finding.fault}",
        engines=[engine for engine, _ in attempts if engine not in reasons],
    )


def check_enlargement(before: Pixels, after: Pixels, limits: SanityLimits) -> SanityCheck:
    """Compare ``after`` with ``before``, which it enlarges by a whole factor s.

    ``before``: (h, w) or (h, w, 3) uint8. ``after``: (h*s, w*s) likewise. Bands of rows keep the
    memory small.
    """
    size = (before.shape[1], before.shape[0])
    scale = after.shape[0] // before.shape[0]
    square, contrast, block, light = 0.0, 0.0, 0.0, 1.0
    mean, deviation = (np.asarray(each) for each in cv2.meanStdDev(before))
    tops = range(0, max(1, size[1] - _BAND_ROWS + 1), _BAND_ROWS)
    for top in tops:
        part = before[top : None if top == tops[-1] else top + _BAND_ROWS]
        shown = after[top * scale : (top + len(part)) * scale]
        back = np.asarray(
            cv2.resize(shown, (size[0], len(part)), interpolation=cv2.INTER_AREA), np.uint8
        )
        shift, kept = _compare_blocks(part, back)
        block, light = max(block, float(np.abs(shift).max())), min(light, kept)
        # Light apart, which the blocks judge: networks shift that of fine patterns.
        large = cv2.resize(shift, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        level = np.asarray(cv2.subtract(back, large, dtype=cv2.CV_32F), np.float32)
        square += cv2.norm(level, part.astype(np.float32), cv2.NORM_L2SQR) / before.size
        centre, spread = (np.asarray(each) for each in cv2.meanStdDev(level))
        pixels = part.shape[0] * part.shape[1]
        contrast += pixels * float((spread**2 + (centre - mean) ** 2).sum())
    psnr = psnr_db(square)
    flat, contrast = float((deviation**2).mean()), contrast / before.size
    # From |a - b|^2 = |a|^2 + |b|^2 - 2ab.
    correlation = (flat + contrast - square) / max(2 * math.sqrt(flat * contrast), 1e-9)
    distance = flat * limits.flat_factor + _FLAT_TOLERANCE_LEVELS**2
    fault = ""
    if deviation.max() > limits.flat_deviation and after.min() == after.max():
        fault = f"every pixel is {int(after.flat[0])}, but the input is not flat"
    elif min(size) >= _MIN_CHECKED_SIDE:
        if psnr < limits.min_psnr_db:
            fault = (
                f"scaled down, its PSNR to the input is {psnr:.1f} dB; at least "
                f"{limits.min_psnr_db:g} dB pass"
            )
        elif square > distance and correlation < _MIN_CORRELATION:
            fault = (
                "scaled down, it is further from the input than one flat colour, and its "
                f"correlation with it is {correlation:.2f}; at least {_MIN_CORRELATION:g} pass"
            )
        elif block > limits.max_block_shift:
            fault = (
                f"a block of it is {block:.0f} levels off on average; at most "
                f"{limits.max_block_shift:g} pass"
            )
        elif light < _MIN_LIGHT_SHARE:
            fault = (
                f"a block of it kept {light:.0%} of its light; at least {_MIN_LIGHT_SHARE:.0%} pass"
            )
    return SanityCheck(psnr, block, fault)


def psnr_db(mean_square: float) -> float:
    """Return the PSNR in dB of a mean squared error in levels; 99 where there is none."""
    return min(99.0, 10 * math.log10(255**2 / mean_square)) if mean_square > 0 else 99.0


def _compare_blocks(before: Pixels, back: Pixels) -> tuple[NDArray[np.float32], float]:
    """Return by how many levels each block's mean colour is higher, and the smallest share of light
    that a block kept.

    The share is 0 to 1; light is the mean of the channels.
    """
    size = tuple(max(1, side // _BLOCK_SIDE) for side in before.shape[1::-1])
    was, now = (
        cv2.resize(p, size, interpolation=cv2.INTER_AREA).astype(np.float32) for p in (before, back)
    )
    shift = now - was
    if was.ndim == 3:
        was, now = was.mean(axis=2), now.mean(axis=2)
    kept = now[was > _DARK_LEVEL] / was[was > _DARK_LEVEL]
    return shift, min(1.0, float(kept.min())) if kept.size else 1.0
