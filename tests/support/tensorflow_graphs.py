"""Write frozen TensorFlow graphs byte by byte: networks for tests without TensorFlow.

A GraphDef in protocol buffers (https://protobuf.dev/programming-guides/encoding/), with the field
numbers of tensorflow/core/framework/*.proto.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.conversion.onnx import field

_FLOAT, _INT32, _QUINT8 = 1, 3, 12  # of types.proto
Array = NDArray[np.float32] | NDArray[np.int32] | NDArray[np.uint8]
_KINDS = {"float32": _FLOAT, "int32": _INT32, "uint8": _QUINT8}


class Graph:
    """A GraphDef that grows node by node; every method returns the new node's name."""

    def __init__(self, quantized: bool = False) -> None:
        """``quantized``: kernels are stored in 8 bits, as TensorFlow's quantize_weights does."""
        self.data = b""
        self._quantized = quantized

    def node(self, op: str, name: str, *inputs: str, **attributes: bytes) -> str:
        """Add a node; ``attributes`` are AttrValue messages."""
        body = field(1, name.encode()) + field(2, op.encode())
        body += b"".join(field(3, name_.encode()) for name_ in inputs)
        for key, value in attributes.items():
            body += field(5, field(1, key.encode()) + field(2, value))
        self.data += field(1, body)
        return name

    def placeholder(self, name: str) -> str:
        return self.node("Placeholder", name, dtype=field(6, _FLOAT))

    def constant(self, name: str, value: Array) -> str:
        kind = _KINDS[value.dtype.name]
        shape = b"".join(field(2, field(1, side)) for side in value.shape)
        content = np.ascontiguousarray(value).tobytes()
        tensor = field(1, kind) + field(2, shape) + field(4, content)
        return self.node("Const", name, dtype=field(6, kind), value=field(8, tensor))

    def quantized_constant(self, name: str, value: Array) -> str:
        """Add a constant with 256 levels between its minimum and maximum."""
        low, high = np.float32(value.min()), np.float32(value.max())
        levels = np.rint((value - low) / (high - low) * 255).astype(np.uint8)
        parts = {"const": levels, "min": np.array(low), "max": np.array(high)}
        inputs = [self.constant(f"{name}_quantized_{key}", part) for key, part in parts.items()]
        kind, mode = field(6, _QUINT8), field(2, b"MIN_FIRST")
        return self.node("Dequantize", name, *inputs, T=kind, mode=mode)

    def convolution(self, name: str, source: str, kernel: Array, bias: Array) -> str:
        """Add a SAME convolution; ``kernel`` is (height, width, in, out)."""
        ones = field(1, field(3, b"\1\1\1\1"))
        store = self.quantized_constant if self._quantized else self.constant
        weights = store(f"{name}/kernel", kernel)
        layout = field(2, b"NHWC")
        convolved = self.node(
            *("Conv2D", name, source, weights),
            T=field(6, _FLOAT),
            strides=ones,
            dilations=ones,
            padding=field(2, b"SAME"),
            data_format=layout,
        )
        added = ("BiasAdd", f"{name}/bias", convolved, self.constant(f"{name}/b", bias))
        return self.node(*added, T=field(6, _FLOAT), data_format=layout)

    def shuffled(self, source: str, scale: int) -> str:
        """Add the output that dnn_superres expects: depth to space, then channels first."""
        kind = field(6, _FLOAT)
        high = self.node(
            *("DepthToSpace", "NHWC_output", source),
            T=kind,
            block_size=field(3, scale),
            data_format=field(2, b"NHWC"),
        )
        order = self.constant("order", np.array([0, 3, 1, 2], np.int32))
        turned = ("Transpose", "NCHW_output", high, order)
        return self.node(*turned, T=kind, Tperm=field(6, _INT32))


def edsr(scale: int = 2, features: int = 8, blocks: int = 1, quantized: bool = False) -> bytes:
    """Return an EDSR: head, residual blocks, one more, skip, shuffled to three channels.

    Its weights are random, except for a path that passes the picture's own pixels on. Its radius
    is 2 * ``blocks`` + 3 pixels; the published networks have 32 blocks of 256 features.
    """
    draw = np.random.default_rng(11)
    graph = Graph(quantized)

    faint = 0.02 / blocks / features * 8

    def kernel(side: int, into: int, out: int) -> Array:
        return draw.normal(0, faint, (side, side, into, out)).astype(np.float32)

    def bias(out: int) -> Array:
        return draw.normal(0, 2 / blocks, out).astype(np.float32)

    kind = field(6, _FLOAT)
    low = graph.placeholder("IteratorGetNext")
    first = kernel(3, 3, features)
    first[1, 1, [0, 1, 2], [0, 1, 2]] += 1
    head = graph.convolution("head", low, first, bias(features))
    last = head
    for block in range(blocks):
        name = f"block{block}"
        one = graph.convolution(f"{name}/1", last, kernel(3, features, features), bias(features))
        relu = graph.node("Relu", f"{name}/relu", one, T=kind)
        two = graph.convolution(f"{name}/2", relu, kernel(3, features, features), bias(features))
        last = graph.node("AddV2", f"{name}/sum", last, two, T=kind)
    body = graph.convolution("body", last, kernel(3, features, features), bias(features))
    total = graph.node("AddV2", "skip", body, head, T=kind)
    shuffle = kernel(3, features, 3 * scale**2)
    for place in range(scale**2):
        shuffle[1, 1, [0, 1, 2], [3 * place, 3 * place + 1, 3 * place + 2]] += 1
    tail = graph.convolution("tail", total, shuffle, bias(3 * scale**2))
    graph.shuffled(tail, scale)
    return graph.data


def espcn(kernels: list[tuple[Array, Array]], scale: int) -> bytes:
    """Return convolutions of luma, ReLU between, shuffled; kernels (height, width, in, out)."""
    graph = Graph()
    last = graph.placeholder("IteratorGetNext")
    for number, (kernel, bias) in enumerate(kernels):
        last = graph.convolution(f"conv{number}", last, kernel, bias)
        if number + 1 < len(kernels):
            last = graph.node("Relu", f"relu{number}", last, T=field(6, _FLOAT))
    graph.shuffled(last, scale)
    return graph.data
