"""Write networks as ONNX files with weights in 16 bits, and read the weights of others."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from workers.conversion.depth_to_space import blocks_first

_OPSET = 17


def write(network: nn.Module, path: Path) -> None:
    """Write ``network``, (n, c, h, w) to (n, c, h*s, w*s) from 0 to 1, for any h and w.

    c is what its first convolution takes: 3 for RGB, 1 for luma.

    The weights are stored in 16 bits, behind a Cast: half the bytes, and both engines compute in
    32 bits. Their rounding moves results by at most one level.
    """
    channels = next(m for m in network.modules() if isinstance(m, nn.Conv2d)).in_channels
    buffer = BytesIO()
    with warnings.catch_warnings():
        # The newer exporter needs another package, and writes a larger graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.float().eval().to(memory_format=torch.contiguous_format),
            (torch.rand(1, channels, 24, 24),),
            buffer,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {2: "h", 3: "w"}, "output": {2: "H", 3: "W"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    model = onnx.load_model_from_string(blocks_first(buffer.getvalue()))
    _halve(model)
    onnx.checker.check_model(model)
    part = path.with_suffix(".part")
    part.write_bytes(model.SerializeToString(deterministic=True))
    part.replace(path)


def _depth_first(channels: int, area: int) -> NDArray[np.int64]:
    """Return, for each channel in the order of ONNX's DCR, its number in that of pixel_shuffle."""
    return np.arange(channels * area).reshape(channels, area).T.ravel()


def _halve(model: onnx.ModelProto) -> None:
    casts = []
    for stored in model.graph.initializer:
        values = numpy_helper.to_array(stored)
        # OpenCV's parser does not take a PReLU's slopes from behind a Cast.
        if values.ndim < 3 or values.dtype != np.float32 or 1 in values.shape[1:3]:
            continue
        name = stored.name
        stored.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_16"))
        casts.append(helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """Return the weights by the names under which the nodes use them."""
    found = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in {"Cast", "Identity"} and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def layers(path: Path, *kinds: str) -> list[list[torch.Tensor]]:
    """Return the weights of the nodes of these ``kinds`` ("Conv", "PRelu"), in the file's order.

    The last of those with a bias, the tail, comes in the order of torch's pixel_shuffle.
    """
    model = onnx.load(str(path))
    known = _constants(model)
    found = [
        [torch.from_numpy(known[name].copy()) for name in node.input if name in known]
        for node in model.graph.node
        if node.op_type in kinds
    ]
    last = {each.name: helper.get_attribute_value(each) for each in model.graph.node[-1].attribute}
    if last.get("mode") == b"DCR":
        tail = max(number for number, each in enumerate(found) if len(each) == 2)
        area = last["blocksize"] ** 2
        order = _depth_first(len(found[tail][1]) // area, area)
        back = torch.from_numpy(np.argsort(order))
        found[tail] = [values[back] for values in found[tail]]
    return found
