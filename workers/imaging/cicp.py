"""Coding-independent code points (ITU-T H.273), with which a PNG's cICP chunk says its colours."""

from __future__ import annotations

from dataclasses import dataclass

from workers.imaging.matrix_profile import SRGB, SRGB_CURVE, Curve, Point, Primaries

_D65: Point = SRGB.white
_C: Point = (0.310, 0.316)
_SMPTE_C = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
BT2020 = Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)

_PRIMARIES: dict[int, Primaries] = {  # table 2
    1: SRGB,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _SMPTE_C,
    7: _SMPTE_C,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: BT2020,
    10: Primaries((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (1 / 3, 1 / 3)),
    11: Primaries(*_P3, (0.314, 0.351)),
    12: Primaries(*_P3, _D65),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_BT709_ALPHA, _BT709_BETA = 1.09929682680944, 0.018053968510807
_BT709_CURVE = Curve(
    1 / 0.45, 1 / _BT709_ALPHA, (_BT709_ALPHA - 1) / _BT709_ALPHA, 1 / 4.5, 4.5 * _BT709_BETA
)
_CURVES: dict[int, Curve] = {  # table 3; 11 and 12 differ from 1 only outside of 0 to 1
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709_CURVE),
    4: Curve(2.2),
    5: Curve(2.8),
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 4 * 0.0228),
    8: Curve(1.0),
    13: SRGB_CURVE,
}
PQ, HLG = 16, 18
_UNSPECIFIED = 2
_NAMES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_CICP_BYTES = 4


@dataclass(frozen=True)
class CodePoints:
    """What a chunk says. ``curve`` is None for PQ and HLG; ``full``: samples take the full range.

    ``transfer``: the code of the transfer function.
    """

    primaries: Primaries
    curve: Curve | None
    transfer: int
    full: bool
    name: str

    @property
    def system(self) -> str:
        """The name of the transfer function of a high dynamic range."""
        return "PQ" if self.transfer == PQ else "HLG"

    @property
    def is_srgb(self) -> bool:
        return self.primaries == SRGB and self.curve == SRGB_CURVE


def interpret(chunk: bytes) -> CodePoints | None:
    """Return what the body of a cICP chunk says; None: nothing that can be used.

    That a primary or transfer is unspecified means sRGB's. A PNG has no other matrix than 0, RGB.
    """
    if len(chunk) != _CICP_BYTES:
        return None
    colours, transfer, matrix, full = chunk
    primaries = SRGB if colours == _UNSPECIFIED else _PRIMARIES.get(colours)
    curve = SRGB_CURVE if transfer == _UNSPECIFIED else _CURVES.get(transfer)
    known = curve is not None or transfer in {PQ, HLG}
    if primaries is None or not known or matrix != 0 or full > 1:
        return None
    name = f"{_NAMES.get(colours, f'H.273 primaries {colours}')}, transfer {transfer}"
    return CodePoints(primaries, curve, transfer, bool(full), name)
