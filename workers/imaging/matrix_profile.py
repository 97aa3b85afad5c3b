"""Build ICC profiles of primaries and a curve, where a file says its colours by other means.

Such a profile is exact: the samples stay as they are, and every format carries it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"""(3, 3), from linear RGB to XYZ, or from XYZ to XYZ under another white."""
Point = tuple[float, float]
"""The chromaticity (x, y) of CIE 1931."""


@dataclass(frozen=True)
class Primaries:
    """Red, green, blue and white."""

    red: Point
    green: Point
    blue: Point
    white: Point

    def is_near(self, other: Primaries, tolerance: float) -> bool:
        """Return whether no coordinate differs by more than ``tolerance``."""
        return bool(np.abs(self.array() - other.array()).max() <= tolerance)

    def array(self) -> Matrix:
        return np.array([self.red, self.green, self.blue, self.white])


@dataclass(frozen=True)
class Curve:
    """From samples to linear light, 0 to 1: (a v + b) ** gamma from ``start`` on, below it c v.

    That is type 3 of ICC.1:2022, 10.18; a plain power has a = 1, and all else 0.
    """

    gamma: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    start: float = 0.0


_D65: Point = (0.3127, 0.3290)
SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)
SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
ADOBE_RGB_CURVE = Curve(563 / 256)

_D50 = np.array([0.9642, 1.0, 0.8249])  # ICC's white, by ICC.1:2022, 7.2.16
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_MIN_WHITE_Y = 0.01
_MAX_MATRIX = 16.0  # entries of a matrix to XYZ: those of real primaries are at most about 1
_HEADER_BYTES, _VERSION = 128, 0x04400000
_MIN_CURVE, _MAX_CURVE = 0.01, 100.0


def to_xyz(primaries: Primaries) -> Matrix | None:
    """Return the matrix from linear RGB to XYZ, where white has Y = 1 (SMPTE RP 177).

    None: these cannot be the primaries of colours.
    """
    points = primaries.array()
    if not np.isfinite(points).all() or points[3, 1] < _MIN_WHITE_Y:
        return None
    columns = np.stack([[x, y, 1 - x - y] for x, y in points[:3]], axis=1)
    try:
        matrix = columns * np.linalg.solve(columns, _white(primaries))
    except np.linalg.LinAlgError:
        return None
    good = np.isfinite(matrix).all() and np.abs(matrix).max() <= _MAX_MATRIX
    return matrix if good and matrix[1].min() >= 0 else None


def adaptation(primaries: Primaries, white: NDArray[np.float64] = _D50) -> Matrix:
    """Return the matrix of Bradford's adaptation of XYZ from the primaries' white to ``white``."""
    cones = (_BRADFORD @ white) / (_BRADFORD @ _white(primaries))
    adapted: Matrix = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    return adapted


def linear_srgb(primaries: Primaries) -> Matrix | None:
    """Return the matrix from linear RGB of ``primaries`` to linear sRGB; None as in ``to_xyz``."""
    matrix, srgb = to_xyz(primaries), to_xyz(SRGB)
    if matrix is None or srgb is None:
        return None
    through: Matrix = np.linalg.inv(srgb) @ adaptation(primaries, _white(SRGB)) @ matrix
    return through


def rgb_profile(name: str, primaries: Primaries, curve: Curve) -> bytes | None:
    """Return an ICC profile for RGB samples; None if the primaries cannot be any."""
    matrix = to_xyz(primaries)
    if matrix is None or not _MIN_CURVE <= curve.gamma <= _MAX_CURVE:
        return None
    adapted = adaptation(primaries)
    tags = [(b"chad", b"sf32" + bytes(4) + _fixed(*adapted.flatten()))]
    for letter, column in zip((b"r", b"g", b"b"), (adapted @ matrix).T, strict=True):
        tags.append((letter + b"XYZ", _xyz(column)))
        tags.append((letter + b"TRC", _parametric(curve)))
    return _profile(b"RGB ", name, tags)


def gray_profile(name: str, curve: Curve) -> bytes:
    """Return an ICC profile for gray samples."""
    return _profile(b"GRAY", name, [(b"kTRC", _parametric(curve))])


def _white(primaries: Primaries) -> NDArray[np.float64]:
    x, y = primaries.white
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _profile(space: bytes, name: str, tags: list[tuple[bytes, bytes]]) -> bytes:
    """Return the display profile with ``tags`` (ICC.1:2022, 7.2, 7.3 and 8.4)."""
    described = [(b"desc", _text(name)), (b"cprt", _text("CC0")), (b"wtpt", _xyz(_D50))]
    table, data, places = b"", b"", dict[bytes, int]()
    every = described + tags
    start = _HEADER_BYTES + 4 + 12 * len(every)
    for signature, body in every:
        if body not in places:  # equal curves are one
            places[body] = start + len(data)
            data += body + bytes(-len(body) % 4)
        table += signature + struct.pack(">II", places[body], len(body))
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), _VERSION, b"mntr", space, b"XYZ ")
    # Always the same date, so that the same picture is always the same file.
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    return head.ljust(_HEADER_BYTES, b"\0") + struct.pack(">I", len(every)) + table + data


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*values)


def _text(text: str) -> bytes:
    """Return a text in one language, English (10.15)."""
    data = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data


def _parametric(curve: Curve) -> bytes:
    plain = curve == Curve(curve.gamma)
    values = () if plain else (curve.a, curve.b, curve.c, curve.start)
    head = b"para" + bytes(4) + struct.pack(">HH", 0 if plain else 3, 0)
    return head + _fixed(curve.gamma, *values)
