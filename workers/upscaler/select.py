"""Select the upscaling engine: the configured one, or the fastest that passes its self-test."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from models.errors import BadParameter
from models.networks.catalogue import BUNDLED_DIR, BUNDLED_MODEL, Catalogue
from workers.imaging.picture import Pixels
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE

EngineSetting = Literal["auto", "opencv", "openvino"]
Precision = Literal["f32", "bf16"]
PrecisionSetting = Literal["auto", "f32", "bf16"]

_PHOTOGRAPH = BUNDLED_DIR / "photograph.png"  # a crop of tests/photographs/chelsea.png


@dataclass(frozen=True)
class Difference:
    """Between two enlargements of the photograph: the largest in levels, and the PSNR in dB."""

    levels: int
    psnr: float

    def __str__(self) -> str:
        return f"up to {self.levels} levels off the reference, PSNR {self.psnr:.1f} dB"


BOUNDS: dict[Precision, Difference] = {"f32": Difference(1, 48), "bf16": Difference(8, 50)}
"""The largest allowed difference. At 50 dB an enlargement of 36 dB loses 0.17 dB at most, if all of
it were error; measured are 0.00 to 0.04 dB (bench/README.md)."""

_TIMED_RUNS = 2  # of a millisecond to ten each


def choose_engine(
    setting: EngineSetting, precision: PrecisionSetting, catalogue: Catalogue
) -> tuple[Engine, str]:
    """Return the engine, and why it is not OpenVINO where ``auto`` would prefer it.

    A precision of ``auto`` is bf16 where the processor has it and its self-test passes, else f32.

    Raises:
        ImportError: OpenVINO is configured but not installed.
    """
    if setting == "opencv":
        return REFERENCE, ""
    tried: tuple[Precision, ...] = ("bf16", "f32") if precision == "auto" else (precision,)
    reason = ""
    for number, each in enumerate(tried, 1):
        last = number == len(tried)
        try:
            from workers.upscaler.openvino import OpenVINO

            engine = OpenVINO(each)
            if setting == "openvino" and last:
                return engine, ""
            if last or engine.has_bf16:
                apart = difference(engine, catalogue)
                if apart.levels <= BOUNDS[each].levels and apart.psnr >= BOUNDS[each].psnr:
                    return engine, ""
                reason = f"openvino failed its self-test: {apart}"
        except BadParameter as error:
            reason = f"no self-test: {error.detail}"
        except Exception as error:  # a wheel for another processor fails in ways of its own
            if setting == "openvino" and last:
                raise
            reason = f"openvino does not work: {type(error).__name__}: {error}"
    return REFERENCE, reason


def difference(engine: Engine, catalogue: Catalogue) -> Difference:
    """Return how far ``engine`` is from the reference on a photograph of 64x64.

    Raises:
        BadParameter: the bundled network is missing.
    """
    weights = catalogue.find(*BUNDLED_MODEL)
    path, picture = catalogue.path(weights), photograph()
    made = engine.enlarge(path, weights, picture).astype(int)
    apart = np.abs(made - REFERENCE.enlarge(path, weights, picture))
    return Difference(int(apart.max()), float(10 * np.log10(255**2 / max((apart**2).mean(), 1e-9))))


def seconds_per_megapixel(engine: Engine, catalogue: Catalogue) -> float:
    """Return the seconds that the bundled network takes for a million pixels; 0 if it is missing.

    The shortest of some runs of 64x64 pixels after a first one, which prepares the engine.
    """
    try:
        weights = catalogue.find(*BUNDLED_MODEL)
    except BadParameter:
        return 0.0
    path, picture = catalogue.path(weights), photograph()
    times: list[float] = []
    for _ in range(_TIMED_RUNS + 1):
        began = time.perf_counter()
        engine.enlarge(path, weights, picture)
        times.append(time.perf_counter() - began)
    return min(times[1:]) * 1e6 / float(picture.shape[0] * picture.shape[1])


def photograph() -> Pixels:
    """Return 64x64 pixels BGR."""
    return np.asarray(cv2.imread(str(_PHOTOGRAPH)), np.uint8)
