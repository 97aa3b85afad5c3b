"""Select the upscaling engine: the configured one, or the fastest that passes its self-test."""

from __future__ import annotations

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


def test_image() -> Pixels:
    """Return 40x32 BGR pixels with slopes, edges and noise, always the same."""
    rows, columns = np.mgrid[0:32, 0:40]
    slopes = np.stack([rows * 8, columns * 6, (rows + columns) * 3], axis=2)
    slopes[8:20, 10:25] = (250, 5, 120)
    noise = np.random.default_rng(4).integers(0, 12, slopes.shape)
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)
