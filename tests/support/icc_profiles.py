"""Create colour profiles of a matrix and curves, as ICC.1:2001 defines them."""

from __future__ import annotations

import struct

import numpy as np

Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
DISPLAY_P3: Primaries = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_RGB: Primaries = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
_D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _columns(primaries: Primaries) -> np.ndarray:
    """Return the 3x3 matrix from linear RGB to XYZ under D50."""
    matrix = np.stack([_xyz(*p) for p in primaries], axis=1)
    white = _xyz(*_D65)
    matrix = matrix * np.linalg.solve(matrix, white)
    cones = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: np.ndarray = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ matrix
    return adapted


def matrix_profile(name: str, primaries: Primaries, gamma: float) -> bytes:
    """Return an RGB display profile with these primaries, a D65 white and one gamma."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    text = name.encode() + b"\0"
    description = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    tags = [
        (b"desc", description),
        (b"cprt", b"text" + bytes(4) + b"none\0"),
        (b"wtpt", b"XYZ " + bytes(4) + fixed(*_D50)),
    ]
    for letter, column in zip(b"rgb", _columns(primaries).T, strict=True):
        tags.append((bytes([letter]) + b"XYZ", b"XYZ " + bytes(4) + fixed(*column)))
        curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
        tags.append((bytes([letter]) + b"TRC", curve))
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for signature, body in tags:
        table += signature + struct.pack(">II", start + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", start + len(data), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data
