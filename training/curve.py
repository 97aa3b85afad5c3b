"""``python -m training.curve PICTURE.png RUN.json...``: validation curves as a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, MARGIN = 720, 400, 64
_INK, _FAINT = (40, 40, 40), (220, 220, 220)
_COLOURS = ((180, 90, 20), (60, 140, 40), (40, 60, 190))
Points = list[dict[str, float]]


def draw(runs: Mapping[str, Points]) -> NDArray[np.uint8]:
    """Return a (400, 720, 3) BGR chart of PSNR in dB over steps: each run, and bicubic below."""
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    lines = {
        name: [(p["step"], p["network_clean"]) for p in points] for name, points in runs.items()
    }
    most = max(step for line in lines.values() for step, _ in line)
    base = next(iter(runs.values()))[-1]["bicubic_clean"]
    values = [value for line in lines.values() for _, value in line]
    low, high = np.floor(min([*values, base])), np.ceil(max(values))

    def place(step: float, value: float) -> tuple[int, int]:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / most
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low)
        return round(x), round(y)

    def write(text: str, x: int, y: int, colour: tuple[int, int, int] = _INK) -> None:
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)

    for level in np.arange(low, high + 0.5, 0.5):
        left, y = place(0, float(level))
        cv2.line(canvas, (left, y), (WIDTH - MARGIN, y), _FAINT, 1)
        write(f"{level:.1f} dB", 6, y + 4)
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for a, b in pairwise([place(*point) for point in line]):
            cv2.line(canvas, a, b, colour, 2, cv2.LINE_AA)
        write(f"{name} {line[-1][1]:.2f}", MARGIN + 180 * number, 24, colour)
    cv2.line(canvas, place(0, base), place(most, base), _INK, 1, cv2.LINE_AA)
    write(f"bicubic {base:.2f}", MARGIN + 4, place(0, base)[1] - 6)
    write(f"{int(most)} steps", WIDTH - MARGIN - 70, HEIGHT - MARGIN + 24)
    return canvas


def points(record: Mapping[str, Any]) -> Points:
    """Return the curve of a run, after that of the run it continued, if its record has one."""
    if "before" not in record:
        return list(record["curve"])
    earlier = points(record["before"])
    return [*earlier, *({**p, "step": p["step"] + earlier[-1]["step"]} for p in record["curve"])]


def main() -> None:
    picture, *runs = map(Path, sys.argv[1:])
    curves = {run.stem: points(json.loads(run.read_text())) for run in runs}
    cv2.imwrite(str(picture), draw(curves))


if __name__ == "__main__":
    main()
