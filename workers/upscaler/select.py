"""Select the upscaling engine: the configured one, or the fastest that passes its self-test."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np

from models.errors import BadParameter
from models.networks.catalogue import BUNDLED_MODEL, Catalogue
from workers.imaging.picture import Pixels
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE

EngineSetting = Literal["auto", "opencv", "openvino"]
Precision = Literal["f32", "bf16"]

MAX_DIFFERENCE_LEVELS: dict[Precision, int] = {"f32": 1, "bf16": 8}
"""Allowed difference from the reference in the self-test; bf16 has been seen 4 levels off."""

_TIMED_RUNS = 2  # of a millisecond to ten each


def choose_engine(
    setting: EngineSetting, precision: Precision, catalogue: Catalogue
) -> tuple[Engine, str]:
    """Return the engine, and why it is not OpenVINO where ``auto`` would prefer it.

    Raises:
        ImportError: OpenVINO is configured but not installed.
    """
    if setting == "opencv":
        return REFERENCE, ""
    try:
        from workers.upscaler.openvino import OpenVINO

        engine = OpenVINO(precision)
        if setting == "openvino":
            return engine, ""
        apart = difference(engine, catalogue)
    except BadParameter as error:
        return REFERENCE, f"no self-test: {error.detail}"
    except Exception as error:  # a wheel for another processor fails in ways of its own
        if setting == "openvino":
            raise
        return REFERENCE, f"openvino does not work: {type(error).__name__}: {error}"
    if apart > MAX_DIFFERENCE_LEVELS[precision]:
        return REFERENCE, f"openvino failed its self-test: {apart} levels off the reference"
    return engine, ""


def difference(engine: Engine, catalogue: Catalogue) -> int:
    """Return the largest difference in levels between ``engine`` and the reference on a test image.

    Raises:
        BadParameter: the bundled network is missing.
    """
    weights = catalogue.find(*BUNDLED_MODEL)
    path = catalogue.path(weights)
    picture = test_image()
    made = engine.enlarge(path, weights, picture)
    return int(np.abs(made.astype(int) - REFERENCE.enlarge(path, weights, picture)).max())


def seconds_per_megapixel(engine: Engine, catalogue: Catalogue) -> float:
    """Return the seconds that the bundled network takes for a million pixels; 0 if it is missing.

    The shortest of some runs of 80x64 pixels after a first one, which prepares the engine.
    """
    try:
        weights = catalogue.find(*BUNDLED_MODEL)
    except BadParameter:
        return 0.0
    path, picture = catalogue.path(weights), np.tile(test_image(), (2, 2, 1))
    times: list[float] = []
    for _ in range(_TIMED_RUNS + 1):
        began = time.perf_counter()
        engine.enlarge(path, weights, picture)
        times.append(time.perf_counter() - began)
    return min(times[1:]) * 1e6 / float(picture.shape[0] * picture.shape[1])


def test_image() -> Pixels:
    """Return 40x32 BGR pixels with slopes, edges and noise, always the same."""
    rows, columns = np.mgrid[0:32, 0:40]
    slopes = np.stack([rows * 8, columns * 6, (rows + columns) * 3], axis=2)
    slopes[8:20, 10:25] = (250, 5, 120)
    noise = np.random.default_rng(4).integers(0, 12, slopes.shape)
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)
