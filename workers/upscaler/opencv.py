"""The reference engine: OpenCV's dnn_superres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.networks.catalogue import Weights
from workers.imaging.out_of_memory import is_out_of_memory
from workers.imaging.picture import Pixels
from workers.upscaler import colour
from workers.upscaler.colour import Chroma
from workers.upscaler.engine import UnusableNetwork

Network = Any
"""A cv2.dnn_superres.DnnSuperResImpl; OpenCV's stubs do not name it."""


@lru_cache(maxsize=6)
def load_network(path: Path, algorithm: str, scale: int) -> Network:
    """Read the network at ``path``; cached.

    Raises:
        UnusableNetwork: dnn_superres cannot read it.
    """
    if path.suffix != ".pb":
        raise UnusableNetwork("OpenCV's dnn_superres reads TensorFlow's .pb files only")
    network = cv2.dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined]
    with _translate_errors():
        network.readModel(str(path))
    network.setModel(algorithm, scale)
    return network


class OpenCV:
    """dnn_superres, plane by plane; EDSR takes all channels."""

    name = "opencv"
    label = f"opencv {cv2.__version__} f32"
    tile_side = 160

    def enlarge(
        self, path: Path, weights: Weights, pixels: Pixels, chroma: Chroma = Chroma.BILINEAR
    ) -> Pixels:
        """Return ``pixels`` enlarged, see ``Engine``."""
        network = load_network(path, weights.algorithm, weights.scale)

        def run(part: Pixels) -> Pixels:
            with _translate_errors():
                made = network.upsample(part)
            if made.shape[:2] != tuple(weights.scale * side for side in part.shape[:2]):
                raise UnusableNetwork(f"it is not for scale {weights.scale}")
            return np.asarray(made, np.uint8)

        if not weights.takes_colour:
            return colour.enlarge(run, pixels, weights.scale, chroma)
        if pixels.ndim == 3:
            return run(pixels)
        made = run(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8))
        return np.asarray(cv2.cvtColor(made, cv2.COLOR_BGR2GRAY), np.uint8)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn errors of OpenCV, except out of memory, into UnusableNetwork."""
    try:
        yield
    except cv2.error as error:
        if is_out_of_memory(error):
            raise
        raise UnusableNetwork("OpenCV cannot run it", error.err or str(error)) from None


REFERENCE = OpenCV()
