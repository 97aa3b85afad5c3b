"""Read networks of ncnn: a ``.param`` file with the layers, a ``.bin`` file with the weights.

Formats: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAGIC = "7767517"
_HALF_TAG, _FLOAT_TAG = 0x01306B47, 0
_ARRAY_KEY = -23300  # of parameter 0 if it is an array; that of parameter n is n less

Parameter = int | float | list[float]


class ConversionError(Exception):
    """The network cannot be converted; the text says why."""


@dataclass(frozen=True)
class Layer:
    """One layer: what it is, what it reads and makes, and its numbered parameters."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    parameters: dict[int, Parameter]

    def whole(self, number: int, default: int = 0) -> int:
        """Return a parameter that is a whole number."""
        value = self.parameters.get(number, default)
        if not isinstance(value, int):
            raise ConversionError(f"layer {self.name}: parameter {number} is {value}, not whole")
        return value

    def numbers(self, number: int) -> list[float]:
        """Return a parameter that is an array; empty if it is missing."""
        value = self.parameters.get(number, [])
        return value if isinstance(value, list) else [float(value)]


def read_layers(text: str) -> list[Layer]:
    """Return the layers of a ``.param`` file, in the order in which they run.

    Raises:
        ConversionError: it is not such a file.
    """
    lines = text.split("\n")
    if lines[0].strip() != _MAGIC:
        raise ConversionError(f"not a .param file of ncnn: it does not begin with {_MAGIC}")
    try:
        return [_layer(line.split()) for line in lines[2:] if line.strip()]
    except (ValueError, IndexError):
        raise ConversionError("not a .param file of ncnn: a line is no layer") from None


def _layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    values = words[4 : 4 + inputs + outputs]
    parameters = dict(_parameter(word) for word in words[4 + inputs + outputs :])
    return Layer(kind, name, values[:inputs], values[inputs:], parameters)


def _parameter(word: str) -> tuple[int, Parameter]:
    key, _, value = word.partition("=")
    number = int(key)
    if number <= _ARRAY_KEY:
        return _ARRAY_KEY - number, [float(item) for item in value.split(",")[1:]]
    return number, int(value) if value.lstrip("-").isdigit() else float(value)


class WeightReader:
    """Reads a ``.bin`` file from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def kernel(self, count: int) -> NDArray[np.float32]:
        """Return ``count`` weights, which are stored in 16 or 32 bits.

        Raises:
            ConversionError: the file ends before, or stores them in another way.
        """
        tag = int.from_bytes(self._take(4), "little")
        if tag == _HALF_TAG:
            stored = np.frombuffer(self._take((2 * count + 3) // 4 * 4), "<f2")
            return stored[:count].astype(np.float32)
        if tag == _FLOAT_TAG:
            return self.floats(count)
        raise ConversionError(f"weights of an unknown form ({tag:#x}); known: 16 and 32 bits")

    def floats(self, count: int) -> NDArray[np.float32]:
        """Return ``count`` numbers of 32 bits: a bias, slopes."""
        return np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)

    def check_end(self) -> None:
        """Raise ConversionError if something is left over: then a layer was read wrongly."""
        if left := len(self._data) - self._place:
            raise ConversionError(f"{left} bytes of weights are left over")

    def _take(self, count: int) -> bytes:
        taken = self._data[self._place : self._place + count]
        if len(taken) < count:
            raise ConversionError("the .bin file ends before the weights do")
        self._place += count
        return taken
