"""High dynamic range to sRGB, by a rule that docs/pictures.md states.

1. Samples become light by the curves of ITU-R BT.2100: PQ as display light, HLG with the system
   gamma 1.2 of a display of 1000 cd/m2.
2. 203 cd/m2, the white of graphics by ITU-R BT.2408, is 1.
3. Colours are taken to sRGB's primaries; what lies outside of them is clipped.
4. Up to 0.8 all stays as it is. Above, the largest of red, green and blue rolls off smoothly, so
   that 1000 cd/m2 is white, and the other two shrink with it: hues stay.
5. sRGB's curve.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.imaging.cicp import PQ, CodePoints
from workers.imaging.matrix_profile import linear_srgb, to_xyz
from workers.imaging.picture import Samples

Light = NDArray[np.float32]
"""Linear light, 1 at the white of graphics: (rows, columns), or (rows, columns, 3) BGR."""

_WHITE_NITS = 203.0  # BT.2408-7, table 1
_PEAK_NITS = 1000.0
_PQ_NITS = 10_000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A = 0.17883277
_HLG_B = 1 - 4 * _HLG_A
_HLG_C = 0.5 - _HLG_A * math.log(4 * _HLG_A)
_HLG_GAMMA = 1.2
_KNEE = 0.8
_BAND_PIXELS = 1 << 16  # at a time: intermediate arrays take some forty bytes a pixel

_BLACK_8, _WHITE_8 = 16.0, 235.0  # of the narrow range (H.273, 8.3), in 8 bits


def widened(maximum: int) -> NDArray[np.float64]:
    """Return what each narrow-range sample from 0 to ``maximum`` is, 0 to 1 from black to white."""
    unit = (maximum + 1) / 256
    values = (np.arange(maximum + 1) - _BLACK_8 * unit) / ((_WHITE_8 - _BLACK_8) * unit)
    return np.clip(values, 0, 1)


def to_srgb(samples: Samples, space: CodePoints) -> Samples:
    """Return PQ or HLG ``samples`` ((h, w) or (h, w, 3) BGR, uint8 or uint16) as sRGB, as deep."""
    maximum = np.iinfo(samples.dtype).max
    values = np.arange(maximum + 1) / maximum if space.full else widened(maximum)
    table = (_pq_light(values) if space.transfer == PQ else _hlg_scene(values)).astype(np.float32)
    out = np.empty_like(samples)
    rows = max(1, _BAND_PIXELS // samples.shape[1])
    for top in range(0, len(samples), rows):
        light = table[samples[top : top + rows]]
        if space.transfer != PQ:
            light *= _hlg_system_gain(light, space)
        shown = _encode(_rolled_off(_in_srgb(light, space)))
        out[top : top + rows] = np.rint(shown * np.float32(maximum)).astype(samples.dtype)
    return out


def _pq_light(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light of PQ samples from 0 to 1 (SMPTE ST 2084), in units of white."""
    root = values ** (1 / _M2)
    nits = _PQ_NITS * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return np.asarray(nits / _WHITE_NITS)


def _hlg_scene(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light of the scene of HLG samples, 0 to 1 (BT.2100, table 5)."""
    bright = (np.exp((values - _HLG_C) / _HLG_A) + _HLG_B) / 12
    return np.where(values <= 0.5, values**2 / 3, bright)


def _hlg_system_gain(scene: Light, space: CodePoints) -> Light:
    """Return the factor from the scene's light to the display's, in units of white."""
    luma = scene
    if scene.ndim == 3:
        xyz = to_xyz(space.primaries)
        assert xyz is not None
        luma = np.asarray(scene @ xyz[1, ::-1].astype(np.float32), np.float32)[:, :, None]
    gain = np.maximum(luma, 1e-9) ** np.float32(_HLG_GAMMA - 1)
    return np.asarray(gain * np.float32(_PEAK_NITS / _WHITE_NITS), np.float32)


def _in_srgb(light: Light, space: CodePoints) -> Light:
    if light.ndim == 2:
        return light
    matrix = linear_srgb(space.primaries)
    assert matrix is not None
    mixed = cv2.transform(light, np.ascontiguousarray(matrix[::-1, ::-1], np.float32))
    return np.asarray(mixed, np.float32)


def _rolled_off(light: Light) -> Light:
    """Return ``light``, which is overwritten, within 0 to 1."""
    np.maximum(light, 0, out=light)
    largest = light if light.ndim == 2 else light.max(axis=2, keepdims=True)
    over = np.maximum((largest - _KNEE) / (1 - _KNEE), 0)
    peak = (_PEAK_NITS / _WHITE_NITS - _KNEE) / (1 - _KNEE)
    # Reinhard's curve with a white point: its slope is 1 at the knee, and its value 1 at the peak.
    rolled = _KNEE + (1 - _KNEE) * np.minimum(over * (1 + over / peak**2) / (1 + over), 1)
    gain = np.where(over > 0, rolled / np.maximum(largest, _KNEE), 1).astype(np.float32)
    return np.asarray(light * gain, np.float32)


def _encode(light: Light) -> Light:
    """Return linear light from 0 to 1 in sRGB (IEC 61966-2-1)."""
    steep = cv2.pow(light, 1 / 2.4) * np.float32(1.055) - np.float32(0.055)
    shown = np.where(light <= 0.0031308, light * np.float32(12.92), steep)
    return np.asarray(np.clip(shown, 0, 1), np.float32)
