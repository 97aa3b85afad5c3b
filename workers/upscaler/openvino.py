"""The fast engine: OpenVINO on the same .pb files, and on ONNX files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from models.networks.catalogue import Weights
from workers.imaging.out_of_memory import is_out_of_memory
from workers.imaging.picture import Pixels
from workers.upscaler import colour
from workers.upscaler.colour import Chroma, Plane
from workers.upscaler.engine import NonFiniteOutput, UnusableNetwork

# Importing openvino sends telemetry and writes ~/intel. Without this module it uses a stub of its
# own, which does neither.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
import openvino  # noqa: E402

MAX_COMPILED_NETWORKS = 6
"""Compiled networks kept; each serves every size of tile and picture (see
docs/decisions/networks.md)."""
_MAX_CACHED_SHAPES = 64
"""Input sizes for which the CPU plugin caches its preparation; its default is 5000."""


class OpenVINO:
    """OpenVINO's CPU plugin.

    ``precision``: of the convolutions. f32 is within one level of OpenCV. bf16 is faster on
    processors that have it, and a few levels off (bench/README.md); on others it means f32.
    ``has_bf16``: whether this processor has it.
    """

    name = "openvino"
    tile_side = 256

    def __init__(self, precision: Literal["f32", "bf16"] = "f32") -> None:
        self._core = openvino.Core()
        self._precision = precision
        self.has_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        version = openvino.get_version().partition("-")[0]
        self.label = f"openvino {version} {precision}"
        self._compiled = lru_cache(maxsize=MAX_COMPILED_NETWORKS)(self._compile)

    def enlarge(
        self, path: Path, weights: Weights, pixels: Pixels, chroma: Chroma = Chroma.BILINEAR
    ) -> Pixels:
        """Return ``pixels`` enlarged, see ``Engine``.

        Raises:
            UnusableNetwork: the network is not for images or not for ``weights.scale``, or OpenVINO
                does not know its operations (those of TensorFlow's 8-bit weights).
            NonFiniteOutput: it returned NaN or infinity.
        """
        channels = 3 if weights.takes_colour else 1
        # In bf16 one pixel becomes up to 222 levels wrong (2026.4.1, sides of any length).
        precision = "f32" if pixels.shape[:2] == (1, 1) else self._precision
        run = self._compiled(path, weights.scale, channels, cv2.getNumThreads(), precision)
        if isinstance(run, UnusableNetwork):
            raise run
        return colour.enlarge_by(run, weights, pixels, chroma)

    def _compile(
        self, path: Path, scale: int, channels: int, threads: int, precision: str
    ) -> Callable[[Plane], Plane] | UnusableNetwork:
        """Return a function that runs the network, or the error; both are cached."""
        options = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": 1,
            # Each child would pin its threads to the same first cores.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": _MAX_CACHED_SHAPES,
        }
        try:
            with _translate_errors("OpenVINO cannot run it"):
                model, output, last = prepare(self._core.read_model(path), channels, scale)
                request = self._core.compile_model(model, "CPU", options).create_infer_request()
        except UnusableNetwork as error:
            return error

        def run(planes: Plane) -> Plane:
            ordered = planes.transpose(1, 2, 0) if last else planes
            size = f"{planes.shape[2]} x {planes.shape[1]} pixels"
            with _translate_errors(f"the network does not take {size}"):
                request.infer([np.ascontiguousarray(ordered)[None]], share_inputs=True)
            made: Plane = request.get_output_tensor(0).data[0]
            if not np.isfinite(made.sum()):
                raise NonFiniteOutput
            return made.transpose(2, 0, 1) if output else made

        return run


@contextmanager
def _translate_errors(reason: str) -> Iterator[None]:
    """Turn errors of OpenVINO, except out of memory, into UnusableNetwork."""
    try:
        yield
    except ValueError as error:
        raise UnusableNetwork(str(error)) from None
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise UnusableNetwork(reason, " ".join(str(error).split())) from None


def set_input_shape(model: Any, channels: int, height: int, width: int) -> bool:
    """Set the input shape of ``model`` (-1: any side); return whether channels come last.

    Raises:
        ValueError: it takes no image of so many channels, in either order.
    """
    for shape, last in (
        ([1, height, width, channels], True),
        ([1, channels, height, width], False),
    ):
        try:
            model.reshape(shape)
        except RuntimeError:
            continue
        return last
    raise ValueError(f"the network does not take images with {channels} channels")


def prepare(model: Any, channels: int, scale: int) -> tuple[Any, bool, bool]:
    """Return ``model`` for any size, with only the output that is ``scale`` times as large.

    Also return whether that output, and whether the input, has its channels last. LapSRN also
    returns its intermediate scales, which are dropped.

    Raises:
        ValueError: it takes or returns no image of so many channels and such a size.
    """
    height, width = 24, 40  # any size shows which output is which
    last = set_input_shape(model, channels, height, width)
    first = (1, channels, height * scale, width * scale)
    orders = {first: False, (first[0], *first[2:], channels): True}
    for output in model.outputs:
        if (shape := tuple(output.shape)) in orders:
            pruned = openvino.Model([output], model.get_parameters(), "upscaler")
            # The order is known by now; dynamic sides would fit either order.
            pruned.reshape([1, -1, -1, channels] if last else [1, channels, -1, -1])
            return _with_float_io(pruned), orders[shape], last
    raise ValueError(f"the network has no output {scale} times as large with {channels} channels")


def _with_float_io(model: Any) -> Any:
    """Return ``model`` with f32 input and output: some are stored in half precision throughout."""
    converter = openvino.preprocess.PrePostProcessor(model)
    converter.input().tensor().set_element_type(openvino.Type.f32)
    converter.output().tensor().set_element_type(openvino.Type.f32)
    return converter.build()
