"""Which engine a child works with: the one asked for, or the fastest that proves itself."""

from __future__ import annotations

from typing import Literal

import numpy as np

from models.errors import BadParameter
from models.networks.catalogue import BUNDLED_MODEL, Catalogue
from workers.imaging.picture import Pixels
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE

Asked = Literal["auto", "opencv", "openvino"]
Precision = Literal["f32", "bf16"]

APART: dict[Precision, int] = {"f32": 1, "bf16": 8}
"""Levels an engine may differ from the reference in the self-test; bf16 has been seen 4 off."""


def choose(asked: Asked, precision: Precision, catalogue: Catalogue) -> tuple[Engine, str]:
    """Return the engine to work with, and why it is not OpenVINO where ``auto`` wanted it.

    Raises:
        ImportError: OpenVINO was asked for by name, and is not installed.
    """
    if asked == "opencv":
        return REFERENCE, ""
    try:
        from workers.upscaler.openvino import OpenVINO

        engine = OpenVINO(precision)
        if asked == "openvino":
            return engine, ""
        apart = difference(engine, catalogue)
    except BadParameter as error:
        return REFERENCE, f"no self-test: {error.detail}"
    except Exception as error:  # a wheel for another processor fails in ways of its own
        if asked == "openvino":
            raise
        return REFERENCE, f"openvino does not work: {type(error).__name__}: {error}"
    if apart > APART[precision]:
        return REFERENCE, f"openvino failed its self-test: {apart} levels off the reference"
    return engine, ""


def difference(engine: Engine, catalogue: Catalogue) -> int:
    """Return how many levels ``engine`` and the reference are apart at most, over a small picture.

    Raises:
        BadParameter: the bundled network is not there.
    """
    weights = catalogue.find(*BUNDLED_MODEL)
    path = catalogue.path(weights)
    picture = sample()
    made = engine.enlarge(path, weights, picture)
    return int(np.abs(made.astype(int) - REFERENCE.enlarge(path, weights, picture)).max())


def sample() -> Pixels:
    """Return 40x32 BGR pixels with slopes, edges and noise; the same every time."""
    rows, columns = np.mgrid[0:32, 0:40]
    slopes = np.stack([rows * 8, columns * 6, (rows + columns) * 3], axis=2)
    slopes[8:20, 10:25] = (250, 5, 120)
    noise = np.random.default_rng(4).integers(0, 12, slopes.shape)
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)
