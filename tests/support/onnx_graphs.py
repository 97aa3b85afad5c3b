"""Write ONNX networks byte by byte: for tests without the onnx package.

Messages and field numbers are those of onnx.proto (ONNX IR 8, operators 13).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.support.tensorflow_graphs import Array, field

_FLOAT, _HALF = 1, 10  # TensorProto.DataType
_INT, _STRING, _INTS = 2, 3, 7  # AttributeProto.AttributeType


def _attribute(name: str, value: int | str | list[int]) -> bytes:
    body = field(1, name.encode())
    if isinstance(value, int):
        body += field(3, value) + field(20, _INT)
    elif isinstance(value, str):
        body += field(4, value.encode()) + field(20, _STRING)
    else:
        body += b"".join(field(8, item) for item in value) + field(20, _INTS)
    return field(5, body)


def _node(kind: str, output: str, *inputs: str, **attributes: int | str | list[int]) -> bytes:
    body = b"".join(field(1, input_.encode()) for input_ in inputs) + field(2, output.encode())
    body += field(3, output.encode()) + field(4, kind.encode())
    return field(1, body + b"".join(_attribute(*pair) for pair in attributes.items()))


def _tensor(name: str, value: NDArray[np.float32], half: bool) -> bytes:
    stored = value.astype(np.float16) if half else value
    body = b"".join(field(1, side) for side in value.shape)
    body += field(2, _HALF if half else _FLOAT) + field(8, name.encode())
    return field(5, body + field(9, np.ascontiguousarray(stored).tobytes()))


def _value(number: int, name: str, channels: int, sides: str, half: bool) -> bytes:
    known = [field(1, 1), field(1, channels)]
    dimensions = [*known, *(field(2, f"{sides}{axis}".encode()) for axis in "hw")]
    shape = b"".join(field(1, dimension) for dimension in dimensions)
    kind = field(1, field(1, _HALF if half else _FLOAT) + field(2, shape))
    return field(number, field(1, name.encode()) + field(2, kind))


def network(
    kernels: list[tuple[Array, Array]],
    scale: int,
    half: bool = False,
    unshuffled: bool = False,
    mode: str = "DCR",
) -> bytes:
    """Return convolutions with ReLU between, shuffled to ``scale`` times the size.

    ``kernels``: (height, width, in, out) and biases, as in ``tests.support.tensorflow_graphs``.
    ``half``: weights, input and output in 16 bits. ``unshuffled``: starts with half the size and
    back, so that it takes only even sides. ``mode``: order of the channels, DCR or CRD.
    """
    graph, last = b"", "low"
    if unshuffled:
        graph += _node("SpaceToDepth", "deep", "low", blocksize=2)
        graph += _node("DepthToSpace", "back", "deep", blocksize=2, mode="DCR")
        last = "back"
    for number, (kernel, bias) in enumerate(kernels):
        names = (f"kernel{number}", f"bias{number}")
        graph += _tensor(names[0], kernel.transpose(3, 2, 0, 1).astype(np.float32), half)
        graph += _tensor(names[1], bias.astype(np.float32), half)
        pads = [kernel.shape[0] // 2, kernel.shape[1] // 2] * 2
        graph += _node("Conv", f"conv{number}", last, *names, pads=pads)
        last = f"conv{number}"
        if number + 1 < len(kernels):
            graph += _node("Relu", f"relu{number}", last)
            last = f"relu{number}"
    graph += _node("DepthToSpace", "high", last, blocksize=scale, mode=mode) + field(2, b"tiny")
    channels = kernels[-1][1].size // scale**2
    graph += _value(11, "low", kernels[0][0].shape[2], "low", half)
    graph += _value(12, "high", channels, "high", half)
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))
