"""Draw the quality of networks against their processor time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from workers.imaging.picture import Pixels

_WIDTH, _HEIGHT = 560, 440  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 44, 52
_INK, _FAINT, _OURS, _OTHERS = (40, 40, 40), (225, 225, 225), (30, 60, 200), (150, 110, 60)
_FONT, _SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42
_STEPS = (1, 2, 5)

Points = Mapping[str, tuple[float, float]]
"""By name: seconds, decibels."""


def draw(panels: Sequence[tuple[str, Points]]) -> Pixels:
    """Return a BGR chart (440, 560 for each panel, 3): decibels over seconds, each with a title.

    Seconds are on a logarithmic scale; this project's networks are red.
    """
    return np.hstack([_panel(title, points) for title, points in panels])


def _panel(title: str, points: Points) -> Pixels:
    canvas = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    seconds = [each for each, _ in points.values()]
    levels = [level for _, level in points.values()]
    # Room on the right for the names.
    left, right = np.log10(min(seconds) / 1.4), np.log10(max(seconds) * 4)
    low, high = np.floor(min(levels) * 2) / 2, np.ceil(max(levels) * 2 + 0.1) / 2

    def place(second: float, level: float) -> tuple[int, int]:
        across = (np.log10(second) - left) / (right - left)
        up = (level - low) / (high - low)
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * across
        return round(x), round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * up)

    _write(canvas, title, _LEFT, 24)
    step = 0.5 if high - low < 6 else 1.0
    for level in np.arange(low, high + 0.01, step):
        _, y = place(min(seconds), float(level))
        cv2.line(canvas, (_LEFT, y), (_WIDTH - _RIGHT, y), _FAINT, 1)
        _write(canvas, f"{level:.1f}", 22, y + 4)
    for second in _ticks(10**left, 10**right):
        x, _ = place(second, low)
        cv2.line(canvas, (x, _TOP), (x, _HEIGHT - _BOTTOM), _FAINT, 1)
        _write(canvas, f"{second:g}", x - 10, _HEIGHT - _BOTTOM + 18)
    _write(canvas, "processor seconds", _LEFT, _HEIGHT - 12)
    _write(canvas, "dB", 22, _TOP - 12)
    taken: list[tuple[int, int]] = []
    for name, point in sorted(points.items(), key=lambda item: -item[1][1]):
        colour = _OURS if name.startswith("darkroom-") else _OTHERS
        x, y = place(*point)
        cv2.circle(canvas, (x, y), 4, colour, -1, cv2.LINE_AA)
        _write(canvas, name, x + 8, _free(taken, x, y + 4), colour)
    return canvas


def _ticks(first: float, last: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten between two numbers."""
    powers = range(int(np.floor(np.log10(first))), int(np.ceil(np.log10(last))) + 1)
    return [t for power in powers for t in (s * 10.0**power for s in _STEPS) if first <= t <= last]


def _free(taken: list[tuple[int, int]], x: int, y: int) -> int:
    """Return a height for a name at ``x``, no less than ``y``, where it covers no other name."""
    while any(abs(x - left) < 150 and abs(y - top) < 14 for left, top in taken):
        y += 2
    taken.append((x, y))
    return y


def _write(canvas: Pixels, text: str, x: int, y: int, colour: tuple[int, int, int] = _INK) -> None:
    cv2.putText(canvas, text, (x, y), _FONT, _SIZE, colour, 1, cv2.LINE_AA)
