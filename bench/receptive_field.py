"""Read a network's graph: its receptive field and its cost."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod
from typing import Any

_POINTWISE = frozenset(
    {"Abs", "Add", "Clamp", "Concat", "Constant", "Convert", "Divide", "Maximum", "Minimum"}
    | {"Multiply", "Parameter", "PRelu", "Relu", "Result", "Sigmoid", "Subtract", "Tanh"}
    | {"Transpose"}
)
"""Operations whose output at a pixel depends on their input at that pixel only."""
_CONVOLUTIONS = {"Convolution": 2, "GroupConvolution": 3}
"""Convolutions, and the axis of their kernels' shapes at which height and width begin."""


def radius(model: Any) -> int:
    """Return the radius of the receptive field of an output pixel, in input pixels.

    ``model`` is an ``openvino.Model`` whose convolutions have channels before height and width.
    Goes backwards from each output: an odd kernel of side k adds (k - 1) / 2 of its own pixels, an
    even one k / 2; through DepthToSpace by b, a radius of r fine pixels becomes ceil(r / b) coarse
    ones.

    Raises:
        ValueError: an operation whose receptive field is unknown.
    """
    distances: dict[str, int] = {}
    for node in reversed(list(_seeing_the_picture(model))):
        kind = node.get_type_name()
        distance = distances.get(node.get_friendly_name(), 0)
        if kind in _CONVOLUTIONS:
            sides = list(node.input(1).get_shape())[_CONVOLUTIONS[kind] :]
            attributes = node.get_attributes()
            if any(step != 1 for step in attributes["strides"]):
                raise ValueError(
                    f"{node.get_friendly_name()}: strided convolutions are not supported"
                )
            steps = attributes["dilations"]
            distance += max(step * (side // 2) for side, step in zip(sides, steps, strict=True))
        elif kind == "DepthToSpace":
            distance = ceil(distance / node.get_attributes()["block_size"])
        elif kind not in _POINTWISE:
            raise ValueError(
                f"{node.get_friendly_name()}: the receptive field of {kind} is unknown"
            )
        for source in node.inputs():
            name = source.get_source_output().get_node().get_friendly_name()
            distances[name] = max(distances.get(name, 0), distance)
    return max(distances.get(p.get_friendly_name(), 0) for p in model.get_parameters())


def _seeing_the_picture(model: Any) -> Iterator[Any]:
    """Yield the operations that depend on the input's samples, in order.

    The others prepare weights, some by the input's size.
    """
    seeing: set[str] = set()
    for node in model.get_ordered_ops():
        sources = {i.get_source_output().get_node().get_friendly_name() for i in node.inputs()}
        kind = node.get_type_name()
        if kind == "Parameter" or (kind != "ShapeOf" and sources & seeing):
            seeing.add(node.get_friendly_name())
            yield node


def flops(model: Any) -> int:
    """Return the floating-point operations of one run; ``model`` has a fixed input shape.

    Two (multiply, add) for each weight of each convolution at each pixel; the rest is small.
    """
    total = 0
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind in _CONVOLUTIONS:
            height, width = list(node.get_output_shape(0))[2:]
            total += 2 * prod(node.input(1).get_shape()) * height * width
    return total
