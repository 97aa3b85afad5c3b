"""Small networks in ncnn's form, written line by line and weight by weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HALF_TAG = 0x01306B47


class NcnnFiles:
    """A ``.param`` and a ``.bin`` file that grow layer by layer."""

    def __init__(self) -> None:
        self.lines = ["Input in 0 1 low"]
        self.weights = b""

    def layer(self, text: str, *weights: NDArray[np.float32], half: bool = False) -> None:
        """Add a line, and what it stores: a kernel first, if it is a convolution."""
        self.lines.append(text)
        for number, values in enumerate(weights):
            if text.startswith("Convolution") and number == 0:
                self.weights += (_HALF_TAG if half else 0).to_bytes(4, "little")
                stored = values.astype("<f2" if half else "<f4").tobytes()
                self.weights += stored + bytes(-len(stored) % 4)
            else:
                self.weights += values.astype("<f4").tobytes()

    @property
    def param(self) -> str:
        return "\n".join(["7767517", f"{len(self.lines)} 99", *self.lines, ""])


def nearest_twice() -> NcnnFiles:
    """Return a network that repeats each pixel, and adds a convolution that makes nothing."""
    files = NcnnFiles()
    files.layer("Split copy 1 2 low a b")
    files.layer("Convolution conv 1 1 a c 0=3 1=1 6=9", np.zeros((3, 3, 1, 1), np.float32))
    files.layer("BinaryOp sum 2 1 b c d 0=0")
    files.layer("Interp twice 1 1 d high 0=1 1=2.0 2=2.0")
    return files
