"""Convert a network of ncnn to ONNX: the layers that super-resolution networks are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workers.conversion.ncnn import ConversionError, Layer, WeightReader, read_layers
from workers.conversion.onnx import Graph

_CHANNELS = 3
_LEAKY, _ADD, _SUM = 2, 0, 1  # an activation, an operation of BinaryOp, one of Eltwise
_NEAREST, _BICUBIC = 1, 3  # kinds of Interp
_NO_ROI = ""
_CUBIC_A = -0.75  # of ncnn's bicubic filter


def convert(param: str, weights: bytes) -> bytes:
    """Return the ONNX file of the network in a ``.param`` and a ``.bin`` file; always the same.

    It takes and returns (1, 3, height, width), float32.

    Raises:
        ConversionError: a file is broken, or has a layer that is not known here.
    """
    return _Conversion(read_layers(param), WeightReader(weights)).run()


class _Conversion:
    def __init__(self, layers: list[Layer], reader: WeightReader) -> None:
        self._layers = layers
        self._reader = reader
        self._graph = Graph()
        self._same: dict[str, str] = {}  # by the name of a copy
        self._writers: dict[str, Callable[[Layer, list[str]], None]] = {
            "BinaryOp": self._add,
            "Concat": self._concatenate,
            "Convolution": self._convolve,
            "Eltwise": self._weighted_sum,
            "Interp": self._resize,
            "PReLU": self._rectify,
            "PixelShuffle": self._shuffle,
        }

    def run(self) -> bytes:
        first = [layer for layer in self._layers if layer.kind == "Input"]
        if len(first) != 1 or len(self._layers) < 2:
            raise ConversionError("it has not one input and at least one layer")
        for layer in self._layers:
            try:
                self._write(layer)
            except IndexError:
                raise ConversionError(
                    f"layer {layer.name}: an input or output is missing"
                ) from None
        self._reader.check_end()
        low, high = first[0].outputs[0], self._layers[-1].outputs[0]
        return self._graph.model(low, high, (_CHANNELS, _CHANNELS))

    def _write(self, layer: Layer) -> None:
        inputs = [self._same.get(name, name) for name in layer.inputs]
        if layer.kind == "Split":
            self._same.update(dict.fromkeys(layer.outputs, inputs[0]))
        elif layer.kind in self._writers:
            self._writers[layer.kind](layer, inputs)
        elif layer.kind != "Input":
            raise ConversionError(f"layer {layer.name}: {layer.kind} is not known")

    def _convolve(self, layer: Layer, inputs: list[str]) -> None:
        kept, side, count = layer.whole(0), layer.whole(1), layer.whole(6)
        _only(layer, {2: 1, 3: 1, 11: side})  # dilation, stride, height of the kernel
        if kept < 1 or side < 1 or count % (kept * side * side):
            raise ConversionError(f"layer {layer.name}: {count} weights make no kernels")
        shape = (kept, count // (kept * side * side), side, side)
        inputs = [inputs[0], self._constant(layer, "kernel", self._reader.kernel(count), shape)]
        if layer.whole(5):
            inputs.append(self._constant(layer, "bias", self._reader.floats(kept), (kept,)))
        output = layer.outputs[0]
        activation = layer.whole(9)
        made = f"{output}_linear" if activation else output
        sides = {"kernel_shape": [side, side], "pads": [layer.whole(4)] * 4}
        self._graph.node("Conv", inputs, made, **sides)
        if activation == _LEAKY:
            self._graph.node("LeakyRelu", [made], output, alpha=layer.numbers(10)[0])
        elif activation:
            raise ConversionError(f"layer {layer.name}: activation {activation} is not known")

    def _rectify(self, layer: Layer, inputs: list[str]) -> None:
        count = layer.whole(0)
        slopes = self._constant(layer, "slopes", self._reader.floats(count), (count, 1, 1))
        self._graph.node("PRelu", [inputs[0], slopes], layer.outputs[0])

    def _shuffle(self, layer: Layer, inputs: list[str]) -> None:
        _only(layer, {1: 0})  # the order of the channels
        side = layer.whole(0)
        self._graph.node("DepthToSpace", inputs, layer.outputs[0], blocksize=side, mode="CRD")

    def _resize(self, layer: Layer, inputs: list[str]) -> None:
        kind = layer.whole(0)
        factors = [float(layer.numbers(number)[0]) for number in (1, 2)]
        scales = np.array([1, 1, *factors], np.float32)
        given = [inputs[0], _NO_ROI, self._constant(layer, "scales", scales, (4,))]
        if kind == _NEAREST and all(factor.is_integer() for factor in factors):
            how = {"mode": "nearest", "nearest_mode": "floor"}
            where = "asymmetric"
        elif kind == _BICUBIC:
            how, where = {"mode": "cubic"}, "half_pixel"
        else:
            raise ConversionError(f"layer {layer.name}: this kind of Interp is not known")
        self._graph.node(
            "Resize",
            given,
            layer.outputs[0],
            **how,
            coordinate_transformation_mode=where,
            cubic_coeff_a=_CUBIC_A,
        )

    def _add(self, layer: Layer, inputs: list[str]) -> None:
        _only(layer, {0: _ADD, 1: 0})  # 1: the second operand is a number
        self._graph.node("Add", inputs, layer.outputs[0])

    def _weighted_sum(self, layer: Layer, inputs: list[str]) -> None:
        _only(layer, {0: _SUM})
        output = layer.outputs[0]
        terms = []
        for number, name in enumerate(inputs):
            factor = (layer.numbers(1) or [1.0] * len(inputs))[number]
            if factor == 1:
                terms.append(name)
                continue
            value = np.array(factor, np.float32)
            constant = self._constant(layer, f"factor{number}", value, ())
            terms.append(self._graph.node("Mul", [name, constant], f"{output}_term{number}"))
        if len(terms) != 2:
            raise ConversionError(f"layer {layer.name}: a sum of {len(terms)} is not known")
        self._graph.node("Add", terms, output)

    def _concatenate(self, layer: Layer, inputs: list[str]) -> None:
        _only(layer, {0: 0})  # the axis: channels
        self._graph.node("Concat", inputs, layer.outputs[0], axis=1)

    def _constant(
        self,
        layer: Layer,
        name: str,
        value: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        shape: tuple[int, ...],
    ) -> str:
        return self._graph.tensor(f"{layer.name}_{name}", value.reshape(shape))


def _only(layer: Layer, known: dict[int, int]) -> None:
    """Raise ConversionError unless these parameters are missing or have these values."""
    for number, value in known.items():
        if layer.whole(number, value) != value:
            given = layer.whole(number)
            raise ConversionError(
                f"layer {layer.name}: {layer.kind} with parameter {number} = {given} is not known"
            )
