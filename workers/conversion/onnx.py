"""Write and read ONNX networks byte by byte: without the onnx package, always the same bytes.

A ModelProto in protocol buffers (https://protobuf.dev/programming-guides/encoding/), with the field
numbers of onnx.proto (IR 8, operators 13).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_IR_VERSION, _OPERATORS = 8, 13
_TYPES = {"float32": 1, "float16": 10}  # TensorProto.DataType
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7  # AttributeProto.AttributeType
_WIDTHS = {1: 8, 5: 4}  # bytes of a value, by its wire type

Attribute = int | float | str | list[int]
Tensor = NDArray[np.float32] | NDArray[np.float16]


def varint(value: int) -> bytes:
    """Return ``value``, 0 or more, in seven bits a byte."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | float | bytes) -> bytes:
    """Return one field of a message: a varint, a 32-bit float, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


class Graph:
    """A network that grows node by node; values are called by their names."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def tensor(self, name: str, value: Tensor) -> str:
        """Add a constant and return its name."""
        body = b"".join(field(1, side) for side in value.shape)
        body += field(2, _TYPES[value.dtype.name]) + field(8, name.encode())
        little = value.astype(value.dtype.newbyteorder("<"))
        self._parts.append(field(5, body + field(9, little.tobytes())))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Attribute) -> str:
        """Add the operator ``kind`` and return the name of its output."""
        body = b"".join(field(1, each.encode()) for each in inputs) + field(2, output.encode())
        body += field(3, output.encode()) + field(4, kind.encode())
        body += b"".join(_attribute(*pair) for pair in attributes.items())
        self._parts.append(field(1, body))
        return output

    def model(
        self, low: str, high: str, channels: tuple[int, int], dtype: str = "float32"
    ) -> bytes:
        """Return the file of the network from ``low`` to ``high``: (1, channels, height, width).

        ``channels``: of both; height and width are free. ``dtype``: of both.
        """
        values = _value(11, low, channels[0], dtype) + _value(12, high, channels[1], dtype)
        graph = b"".join(self._parts) + field(2, b"upscaler") + values
        return field(1, _IR_VERSION) + field(7, graph) + field(8, field(2, _OPERATORS))


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, int):
        content = field(3, value) + field(20, _INT)
    elif isinstance(value, float):
        content = field(2, value) + field(20, _FLOAT)
    elif isinstance(value, str):
        content = field(4, value.encode()) + field(20, _STRING)
    else:
        content = b"".join(field(8, item) for item in value) + field(20, _INTS)
    return field(5, field(1, name.encode()) + content)


def _value(number: int, name: str, channels: int, dtype: str) -> bytes:
    known = [field(1, 1), field(1, channels)]
    dimensions = [*known, *(field(2, f"{name}_{side}".encode()) for side in ("height", "width"))]
    shape = b"".join(field(1, dimension) for dimension in dimensions)
    kind = field(1, field(1, _TYPES[dtype]) + field(2, shape))
    return field(number, field(1, name.encode()) + field(2, kind))


@dataclass(frozen=True)
class Field:
    """One field of a message that was read: a number, or bytes from ``start`` to ``stop``."""

    number: int
    value: int
    start: int
    stop: int


def read_fields(data: bytes | bytearray, start: int, stop: int) -> Iterator[Field]:
    """Yield the fields of the message between two places of ``data``.

    Raises:
        ValueError: it is no message.
    """
    while start < stop:
        key, start = read_varint(data, start)
        wire, value = key & 7, 0
        if wire == 0:
            value, start = read_varint(data, start)
            end = start
        elif wire == 2:
            length, start = read_varint(data, start)
            end = start + length
        else:
            end = start + _WIDTHS.get(wire, stop)
        if end > stop:
            raise ValueError("not a message of protocol buffers")
        yield Field(key >> 3, value, start, end)
        start = end


def read_varint(data: bytes | bytearray, start: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = 0
    for place in range(10):
        if start + place >= len(data):
            break
        byte = data[start + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, start + place + 1
    raise ValueError("not a message of protocol buffers")
