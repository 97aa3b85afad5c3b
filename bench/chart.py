"""A chart of bars, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH, _ROW, _MARGIN, _NAMES = 720, 44, 24, 250
_INK, _FAINT, _OWN, _OTHER = (40, 40, 40), (225, 225, 225), (60, 140, 40), (180, 140, 100)


def bars(title: str, values: Mapping[str, float], own: str) -> NDArray[np.uint8]:
    """Return a (rows, 720, 3) BGR chart: a bar for each name, that of ``own`` in green."""
    canvas = np.full((2 * _MARGIN + _ROW * (1 + len(values)), _WIDTH, 3), 255, np.uint8)
    most = max(values.values())

    def write(text: str, x: int, y: int) -> None:
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)

    write(title, _MARGIN, _MARGIN + 18)
    room = _WIDTH - _NAMES - _MARGIN - 60  # for the longest bar, with its figure behind it
    for row, (name, value) in enumerate(values.items(), 1):
        top = _MARGIN + row * _ROW
        end = _NAMES + max(1, round(room * value / most))
        cv2.rectangle(canvas, (_NAMES, top), (_NAMES + room, top + 26), _FAINT, -1)
        cv2.rectangle(canvas, (_NAMES, top), (end, top + 26), _OWN if name == own else _OTHER, -1)
        write(name, _MARGIN, top + 18)
        write(f"{value:.1f}", end + 8, top + 18)
    return canvas


def flows_chart(measured: dict[str, Any]) -> NDArray[np.uint8]:
    """Return the chart of the median round of ``bench.throughput``."""
    shown = {
        "bare own pipeline": "bare_pipeline_per_second",
        "bare plain OpenCV": "bare_opencv_per_second",
        "Darkroom, long polls": "flows_per_second",
        "Darkroom, polls": "polled_flows_per_second",
        "Flask and Celery, polls": "peer_flows_per_second",
    }
    found = measured["median_round"]
    values = {name: found[key] for name, key in shown.items() if key in found}
    work = measured["work"]
    title = f"{work['model']} x{work['scale']}, {work['width']}x{work['height']}: pictures a second"
    return bars(title, values, "Darkroom, long polls")
