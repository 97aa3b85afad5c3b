"""The reference engine: OpenCV's dnn_superres."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.catalogue import Weights
from workers.picture import Pixels

Network = Any
"""A cv2.dnn_superres.DnnSuperResImpl; OpenCV's stubs do not name it."""


@lru_cache(maxsize=16)
def load(path: Path, algorithm: str, scale: int) -> Network:
    """Read the network at ``path``; once in a process."""
    network = cv2.dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined]
    network.readModel(str(path))
    network.setModel(algorithm, scale)
    return network


class OpenCV:
    """Luma by the network, chroma bilinear; all channels by EDSR."""

    name = "opencv"
    said = f"opencv {cv2.__version__} f32"
    tile = 160

    def enlarge(self, path: Path, weights: Weights, pixels: Pixels) -> Pixels:
        """Return ``pixels`` as ``DnnSuperResImpl.upsample`` enlarges them, see ``Engine``.

        Grayscale in, grayscale out: equal channels have no chroma, so one comes back.
        """
        network = load(path, weights.algorithm, weights.scale)
        if pixels.ndim == 2:
            colour = network.upsample(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
            return np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)
        return np.asarray(network.upsample(pixels), np.uint8)


REFERENCE = OpenCV()
