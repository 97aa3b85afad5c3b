"""Frozen TensorFlow graphs, byte by byte: networks that tests make without TensorFlow.

A GraphDef as protocol buffers write it: https://protobuf.dev/programming-guides/encoding/; the
numbers of the fields are those of tensorflow/core/framework/*.proto.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLOAT, _INT32 = 1, 3  # of types.proto
Array = NDArray[np.float32] | NDArray[np.int32]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


class Graph:
    """A GraphDef that grows node by node; every method returns the new node's name."""

    def __init__(self) -> None:
        self.data = b""

    def node(self, op: str, name: str, *inputs: str, **attributes: bytes) -> str:
        """Add a node; ``attributes`` are AttrValue messages."""
        body = _field(1, name.encode()) + _field(2, op.encode())
        body += b"".join(_field(3, each.encode()) for each in inputs)
        for key, value in attributes.items():
            body += _field(5, _field(1, key.encode()) + _field(2, value))
        self.data += _field(1, body)
        return name

    def placeholder(self, name: str) -> str:
        return self.node("Placeholder", name, dtype=_field(6, _FLOAT))

    def constant(self, name: str, value: Array) -> str:
        kind = _INT32 if value.dtype == np.int32 else _FLOAT
        shape = b"".join(_field(2, _field(1, side)) for side in value.shape)
        content = np.ascontiguousarray(value).tobytes()
        tensor = _field(1, kind) + _field(2, shape) + _field(4, content)
        return self.node("Const", name, dtype=_field(6, kind), value=_field(8, tensor))

    def convolution(self, name: str, source: str, kernel: Array, bias: Array) -> str:
        """Add a SAME convolution; ``kernel`` is (height, width, in, out)."""
        ones = _field(1, _field(3, b"\1\1\1\1"))
        weights = self.constant(f"{name}/kernel", kernel)
        layout = _field(2, b"NHWC")
        convolved = self.node(
            *("Conv2D", name, source, weights),
            T=_field(6, _FLOAT),
            strides=ones,
            dilations=ones,
            padding=_field(2, b"SAME"),
            data_format=layout,
        )
        added = ("BiasAdd", f"{name}/bias", convolved, self.constant(f"{name}/b", bias))
        return self.node(*added, T=_field(6, _FLOAT), data_format=layout)


def edsr(scale: int = 2, features: int = 8) -> bytes:
    """Return a tiny EDSR: head, one residual block, skip, shuffled to three channels; 7x7 seen.

    Its weights are random, but for a path that hands the picture's own pixels on.
    """
    draw = np.random.default_rng(11)
    graph = Graph()

    def kernel(side: int, into: int, out: int) -> Array:
        return draw.normal(0, 0.02, (side, side, into, out)).astype(np.float32)

    def bias(out: int) -> Array:
        return draw.normal(0, 2, out).astype(np.float32)

    kind = _field(6, _FLOAT)
    low = graph.placeholder("IteratorGetNext")
    first = kernel(3, 3, features)
    first[1, 1, [0, 1, 2], [0, 1, 2]] += 1
    head = graph.convolution("head", low, first, bias(features))
    body = graph.convolution("body", head, kernel(3, features, features), bias(features))
    relu = graph.node("Relu", "relu", body, T=kind)
    total = graph.node("AddV2", "skip", relu, head, T=kind)
    last = kernel(3, features, 3 * scale**2)
    for place in range(scale**2):
        last[1, 1, [0, 1, 2], [3 * place, 3 * place + 1, 3 * place + 2]] += 1
    tail = graph.convolution("tail", total, last, bias(3 * scale**2))
    high = graph.node(
        *("DepthToSpace", "NHWC_output", tail),
        T=kind,
        block_size=_field(3, scale),
        data_format=_field(2, b"NHWC"),
    )
    order = graph.constant("order", np.array([0, 3, 1, 2], np.int32))
    graph.node("Transpose", "NCHW_output", high, order, T=kind, Tperm=_field(6, _INT32))
    return graph.data
