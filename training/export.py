"""Export a trained network as a frozen TensorFlow graph for cv2.dnn_superres."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_INT32

from training.network import Upscaler

_Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Kernel (out, in, 3, 3) and bias (out,) of a convolution."""


class _Graph:
    """A GraphDef that grows node by node; every method returns the new node's name."""

    def __init__(self) -> None:
        self.definition = GraphDef()

    def _node(self, op: str, name: str, *inputs: str) -> NodeDef:
        node = self.definition.node.add(op=op, name=name, input=inputs)
        if op not in {"Const", "Placeholder"}:
            node.attr["T"].CopyFrom(AttrValue(type=DT_FLOAT))
        return node

    def placeholder(self, name: str) -> str:
        self._node("Placeholder", name).attr["dtype"].CopyFrom(AttrValue(type=DT_FLOAT))
        return name

    def constant(self, name: str, value: NDArray[np.float32] | NDArray[np.int32]) -> str:
        kind = DT_INT32 if value.dtype == np.int32 else DT_FLOAT
        node = self._node("Const", name)
        node.attr["dtype"].type = kind
        tensor = node.attr["value"].tensor
        tensor.dtype = kind
        for size in value.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = np.ascontiguousarray(value).tobytes()
        return name

    def convolution(
        self, name: str, source: str, kernel: NDArray[np.float32], bias: NDArray[np.float32] | None
    ) -> str:
        """Add a SAME convolution; ``kernel`` is in torch's order, (out, in, h, w)."""
        weights = self.constant(f"{name}/kernel", kernel.transpose(2, 3, 1, 0))
        node = self._node("Conv2D", name, source, weights)
        node.attr["strides"].list.i.extend([1, 1, 1, 1])
        node.attr["dilations"].list.i.extend([1, 1, 1, 1])
        node.attr["padding"].s = b"SAME"
        node.attr["data_format"].s = b"NHWC"
        if bias is None:
            return name
        added = self._node("BiasAdd", f"{name}/bias", name, self.constant(f"{name}/b", bias))
        added.attr["data_format"].s = b"NHWC"
        return added.name

    def relu(self, source: str) -> str:
        return self._node("Relu", f"{source}/relu", source).name

    def add(self, name: str, a: str, b: str) -> str:
        return self._node("AddV2", name, a, b).name

    def depth_to_space(self, name: str, source: str, block: int) -> str:
        node = self._node("DepthToSpace", name, source)
        node.attr["block_size"].i = block
        node.attr["data_format"].s = b"NHWC"
        return name

    def to_nchw(self, name: str, source: str) -> str:
        order = self.constant(f"{name}/perm", np.array([0, 3, 1, 2], np.int32))
        node = self._node("Transpose", name, source, order)
        node.attr["Tperm"].CopyFrom(AttrValue(type=DT_INT32))
        return name


def graph(network: Upscaler) -> bytes:
    """Return the frozen GraphDef of ``network``, with the node names ``dnn_superres`` looks for.

    The input is added through a 1x1 convolution of ones: cv2.dnn does not broadcast channels.
    """
    g = _Graph()
    low = g.placeholder("IteratorGetNext")
    tail = (_blocks if network.residual else _plain)(g, low, _layers(network))
    ones = np.ones((network.scale**2, 1, 1, 1), np.float32)
    total = g.add("sum", tail, g.convolution("nearest", low, ones, None))
    g.to_nchw("NCHW_output", g.depth_to_space("NHWC_output", total, network.scale))
    return bytes(g.definition.SerializeToString(deterministic=True))


def _layers(network: Upscaler) -> list[_Layer]:
    """Return all layers, head first."""
    weights = {k: v.detach().float().cpu().numpy() for k, v in network.state_dict().items()}
    kernels = [kernel.detach().float().cpu().numpy() for kernel in network.kernels()]
    body = list(zip(kernels, weights["biases"], strict=True))
    head, tail = ((weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in ("head", "tail"))
    return [head, *body, tail]


def _plain(g: _Graph, low: str, layers: list[_Layer]) -> str:
    head, *body, tail = layers
    x = g.relu(g.convolution("head", low, *head))
    for number, layer in enumerate(body):
        x = g.relu(g.convolution(f"body{number}", x, *layer))
    return g.convolution("tail", x, *tail)


def _blocks(g: _Graph, low: str, layers: list[_Layer]) -> str:
    head, *body, tail = layers
    x = g.convolution("head", low, *head)
    for number in range(0, len(body), 2):
        inner = g.relu(g.convolution(f"body{number}", x, *body[number]))
        outer = g.convolution(f"body{number + 1}", inner, *body[number + 1])
        x = g.add(f"block{number // 2}", x, outer)
    return g.convolution("tail", x, *tail)


def read(path: Path) -> dict[str, torch.Tensor]:
    """Return the state of the network that ``write`` wrote to ``path``, to resume training.

    Raises:
        KeyError: the file was not written by ``write``.
    """
    definition = GraphDef()
    definition.ParseFromString(path.read_bytes())
    constants = {
        node.name: np.frombuffer(node.attr["value"].tensor.tensor_content, np.float32).reshape(
            [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        )
        for node in definition.node
        if node.op == "Const" and node.attr["dtype"].type == DT_FLOAT
    }

    def kernel(name: str) -> torch.Tensor:
        return torch.from_numpy(constants[f"{name}/kernel"].transpose(3, 2, 0, 1).copy())

    def bias(name: str) -> torch.Tensor:
        return torch.from_numpy(constants[f"{name}/b"].copy())

    state: dict[str, torch.Tensor] = {}
    for name in ("head", "tail"):
        state |= {f"{name}.weight": kernel(name), f"{name}.bias": bias(name)}
    layers = range(sum(name.startswith("body") for name in constants) // 2)
    state["body"] = torch.stack([kernel(f"body{layer}").flatten(1) for layer in layers])
    state["biases"] = torch.stack([bias(f"body{layer}") for layer in layers])
    return state


def write(network: Upscaler, path: Path) -> None:
    """Write ``network`` to ``path`` as a frozen graph, atomically."""
    part = path.with_suffix(".part")
    part.write_bytes(graph(network))
    part.replace(path)
