"""``python -m training.curve RUN.json PICTURE.png``: a run's validation curve as a picture."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 720, 400, 64
_INK, _FAINT = (40, 40, 40), (220, 220, 220)
_COLOURS = {"network": (180, 90, 20), "bicubic": (90, 90, 90)}


def draw(points: list[dict[str, float]]) -> NDArray[np.uint8]:
    """Return a (400, 720, 3) BGR chart of PSNR in dB over steps, the network beside bicubic."""
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    steps = [p["step"] for p in points]
    values = [p[f"{name}_clean"] for p in points for name in _COLOURS]
    low, high = np.floor(min(values)), np.ceil(max(values))

    def place(step: float, value: float) -> tuple[int, int]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / max(steps)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low)
        return round(x), round(y)

    def write(text: str, x: int, y: int, colour: tuple[int, int, int] = _INK) -> None:
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)

    for level in np.arange(low, high + 0.5, 0.5):
        left, y = place(0, float(level))
        cv2.line(canvas, (left, y), (WIDTH - MARGIN, y), _FAINT, 1)
        write(f"{level:.1f} dB", 6, y + 4)
    for name, colour in _COLOURS.items():
        line = [place(p["step"], p[f"{name}_clean"]) for p in points]
        for a, b in pairwise(line):
            cv2.line(canvas, a, b, colour, 2, cv2.LINE_AA)
        write(
            f"{name} {points[-1][f'{name}_clean']:.2f}", line[-1][0] - 130, line[-1][1] - 10, colour
        )
    write(f"{int(max(steps))} steps", WIDTH - MARGIN - 70, HEIGHT - MARGIN + 24)
    return canvas


def main() -> None:
    run, picture = map(Path, sys.argv[1:3])
    cv2.imwrite(str(picture), draw(json.loads(run.read_text())["curve"]))


if __name__ == "__main__":
    main()
