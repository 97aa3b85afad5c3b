"""Reorder the channels before a pixel shuffle, for OpenCV.

Once dnn_superres was used, OpenCV 5.0 runs every DepthToSpace of the process by its layer: blocks
first (DCR), whatever the ONNX file says. Most networks are exported with columns first (CRD). The
two differ by the order of the channels, so the convolution before the shuffle, or several whose sum
is shuffled, can make them in the other one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from workers.conversion.onnx import Field, read_fields, read_varint

_GRAPH, _NODE, _INITIALIZER, _INPUT = 7, 1, 5, 11  # fields of onnx.proto
_NAME, _SHAPE = 1, (2, 1, 2)  # of an input; type, tensor_type, shape
_COLUMNS_FIRST, _BLOCKS_FIRST = b"CRD", b"DCR"


class NotReorderedError(Exception):
    """What stands before the shuffle is no convolution, nor a sum of some; the text says so."""


@dataclass
class _Node:
    """``mode``: where a file says CRD for it, in bytes."""

    kind: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    side: int = 0
    mode: int | None = None


@dataclass
class _Tensor:
    """``places``: where its values stand, in bytes of the file."""

    name: str = ""
    rows: int = 0
    places: tuple[int, int] | None = None


def blocks_first(data: bytes) -> bytes:
    """Return the same ONNX network with each DepthToSpace in the mode DCR.

    Raises:
        NotReorderedError: one is in the mode CRD, and not right behind a convolution or a sum of
            convolutions, with or without an input of one channel, which all channels share.
        ValueError: it is no ONNX file.
    """
    if _COLUMNS_FIRST not in data:
        return data
    nodes, tensors, one_channel = _read(data)
    uses = Counter(name for node in nodes for name in node.inputs)
    makers = {name: node for node in nodes for name in node.outputs}
    made = bytearray(data)
    for node in nodes:
        if node.mode is None:
            continue
        reached = [node.inputs[0]]
        while reached:
            name = reached.pop()
            if name in one_channel:
                continue
            maker = makers.get(name, _Node())
            stored = maker.inputs[1:]
            shared = any(uses[each] > 1 for each in (name, *stored))
            if maker.kind == "Add" and uses[name] == 1:
                reached += maker.inputs
                continue
            if maker.kind != "Conv" or not stored or shared:
                raise NotReorderedError("DepthToSpace (CRD) does not stand behind convolutions")
            for each in stored:
                _reorder(made, tensors.get(each), node.side)
        made[node.mode : node.mode + len(_BLOCKS_FIRST)] = _BLOCKS_FIRST
    return bytes(made)


def _read(data: bytes) -> tuple[list[_Node], dict[str, _Tensor], set[str]]:
    """Return the nodes of an ONNX file, its tensors by name, and its inputs of one channel."""
    nodes, tensors, one_channel = [], {}, set()
    for part in read_fields(data, 0, len(data)):
        for item in read_fields(data, part.start, part.stop) if part.number == _GRAPH else ():
            if item.number == _NODE:
                nodes.append(_read_node(data, item.start, item.stop))
            elif item.number == _INITIALIZER:
                tensor = _read_tensor(data, item.start, item.stop)
                tensors[tensor.name] = tensor
            elif item.number == _INPUT and _channels(data, item) == 1:
                one_channel.add(_name(data, item))
    return nodes, tensors, one_channel


def _parts(data: bytes, field: Field) -> dict[int, Field]:
    return {part.number: part for part in read_fields(data, field.start, field.stop)}


def _name(data: bytes, field: Field) -> str:
    part = _parts(data, field)[_NAME]
    return data[part.start : part.stop].decode()


def _channels(data: bytes, field: Field) -> int | None:
    """Return the second side of an input, None if the file does not say it."""
    for number in _SHAPE:
        found = _parts(data, field).get(number)
        if found is None:
            return None
        field = found
    sides = list(read_fields(data, field.start, field.stop))
    known = _parts(data, sides[1]).get(1) if len(sides) > 1 else None
    return known.value if known else None


def _reorder(data: bytearray, tensor: _Tensor | None, side: int) -> None:
    """Put the rows of a kernel or bias into the other order."""
    if tensor is None or tensor.places is None or side < 1 or tensor.rows % side**2:
        raise NotReorderedError("the convolution before DepthToSpace (CRD) stores no kernel")
    start, stop = tensor.places
    order = np.arange(tensor.rows).reshape(-1, side**2).T.ravel()
    rows = np.frombuffer(data[start:stop], np.uint8).reshape(tensor.rows, -1)
    data[start:stop] = rows[order].tobytes()


def _read_node(data: bytes, start: int, stop: int) -> _Node:
    node = _Node()
    for part in read_fields(data, start, stop):
        text = data[part.start : part.stop]
        if part.number == 1:
            node.inputs.append(text.decode())
        elif part.number == 2:
            node.outputs.append(text.decode())
        elif part.number == 4:
            node.kind = text.decode()
        elif part.number == 5:
            _read_attribute(data, part, node)
    return node


def _read_attribute(data: bytes, part: Field, node: _Node) -> None:
    found = _parts(data, part)
    texts = {number: data[item.start : item.stop] for number, item in found.items()}
    if texts.get(1) == b"blocksize" and 3 in found:
        node.side = found[3].value
    elif texts.get(1) == b"mode" and texts.get(4) == _COLUMNS_FIRST:
        node.mode = found[4].start


def _read_tensor(data: bytes, start: int, stop: int) -> _Tensor:
    tensor = _Tensor()
    for part in read_fields(data, start, stop):
        if part.number == 1 and not tensor.rows:  # the first side; some writers pack them all
            packed = part.stop > part.start
            tensor.rows = read_varint(data, part.start)[0] if packed else part.value
        elif part.number == 8:
            tensor.name = data[part.start : part.stop].decode()
        elif part.number in (4, 9) and part.stop > part.start:  # float_data, raw_data
            tensor.places = (part.start, part.stop)
    return tensor
