"""Small ONNX networks for tests, written without the onnx package."""

from __future__ import annotations

import numpy as np

from tests.support.tensorflow_graphs import Array
from workers.conversion.onnx import Graph, Tensor


def network(
    kernels: list[tuple[Array, Array]], scale: int, half: bool = False, unshuffled: bool = False
) -> bytes:
    """Return convolutions with ReLU between, shuffled to ``scale`` times the size.

    ``kernels``: (height, width, in, out) and biases, as in ``tests.support.tensorflow_graphs``.
    ``half``: weights, input and output in 16 bits. ``unshuffled``: starts with half the size and
    back, so that it takes only even sides.
    """
    graph, last, dtype = Graph(), "low", "float16" if half else "float32"

    def stored(value: Array) -> Tensor:
        return value.astype(np.float16) if half else value.astype(np.float32)

    if unshuffled:
        graph.node("SpaceToDepth", ["low"], "deep", blocksize=2)
        last = graph.node("DepthToSpace", ["deep"], "back", blocksize=2, mode="DCR")
    for number, (kernel, bias) in enumerate(kernels):
        taps = graph.tensor(f"kernel{number}", stored(kernel.transpose(3, 2, 0, 1)))
        added = graph.tensor(f"bias{number}", stored(bias))
        pads = [kernel.shape[0] // 2, kernel.shape[1] // 2] * 2
        last = graph.node("Conv", [last, taps, added], f"conv{number}", pads=pads)
        if number + 1 < len(kernels):
            last = graph.node("Relu", [last], f"relu{number}")
    graph.node("DepthToSpace", [last], "high", blocksize=scale, mode="DCR")
    channels = (kernels[0][0].shape[2], kernels[-1][1].size // scale**2)
    return graph.model("low", "high", channels, dtype)
