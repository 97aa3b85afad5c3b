"""The reference engine: OpenCV's dnn_superres, and its dnn module for ONNX files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.networks.catalogue import Weights
from workers.conversion.depth_to_space import NotReorderedError, blocks_first
from workers.imaging.out_of_memory import is_out_of_memory
from workers.imaging.picture import Pixels
from workers.upscaler import colour
from workers.upscaler.colour import Chroma, Plane
from workers.upscaler.engine import NonFiniteOutput, UnusableNetwork

Network = Any
"""A cv2.dnn_superres.DnnSuperResImpl; OpenCV's stubs do not name it."""


@lru_cache(maxsize=6)
def load_network(path: Path, algorithm: str, scale: int) -> Network:
    """Read the TensorFlow network at ``path``; cached.

    Raises:
        UnusableNetwork: dnn_superres cannot read it.
    """
    network = cv2.dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined]
    with _translate_errors():
        network.readModel(str(path))
    network.setModel(algorithm, scale)
    return network


@lru_cache(maxsize=6)
def load_onnx(path: Path) -> Any:
    """Read the ONNX network at ``path``, a cv2.dnn.Net; cached.

    Raises:
        UnusableNetwork: OpenCV cannot read it, or would compute something else.
    """
    try:
        data = blocks_first(path.read_bytes())
    except (NotReorderedError, ValueError) as error:
        raise UnusableNetwork("OpenCV cannot run it", str(error)) from None
    with _translate_errors():
        return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))


def _run_onnx(network: Any, scale: int, planes: Plane) -> Plane:
    """Return ``planes`` (channels, height, width) enlarged; the network has them first or last.

    OpenCV does not say which, and computes nonsense from the wrong order: the size of the output
    decides.
    """
    channels, height, width = planes.shape
    reason = f"it does not take {width} x {height} pixels, or is not for scale {scale}"
    for order in ((0, 1, 2), (1, 2, 0)):
        try:
            network.setInput(np.ascontiguousarray(planes.transpose(order))[None])
            made = network.forward(network.getUnconnectedOutLayersNames())
        except cv2.error as error:
            if is_out_of_memory(error):
                raise
            reason = error.err or str(error)
            continue
        for output in made:
            for first in (True, False):
                side = (height * scale, width * scale)
                if output.shape == ((1, channels, *side) if first else (1, *side, channels)):
                    found: Plane = output[0] if first else output[0].transpose(2, 0, 1)
                    if not np.isfinite(found.sum()):
                        raise NonFiniteOutput
                    return found
    raise UnusableNetwork("OpenCV cannot run it", reason)


class OpenCV:
    """dnn_superres, plane by plane; EDSR takes all channels."""

    name = "opencv"
    label = f"opencv {cv2.__version__} f32"
    tile_side = 160

    def enlarge(
        self, path: Path, weights: Weights, pixels: Pixels, chroma: Chroma = Chroma.BILINEAR
    ) -> Pixels:
        """Return ``pixels`` enlarged, see ``Engine``."""
        if path.suffix == ".onnx":
            run_onnx = partial(_run_onnx, load_onnx(path), weights.scale)
            return colour.enlarge_by(run_onnx, weights, pixels, chroma)
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
