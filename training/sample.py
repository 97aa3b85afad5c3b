"""``python -m training.sample OUT.png [--picture P --at X Y]``: a crop before and after.

Left the input by pixels, middle bicubic, right the bundled network, each 2x and shown larger.
Without a picture it draws one, which nobody else has rights in.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from models.catalogue import BUNDLED_MODEL, Catalogue
from workers.picture import Pixels
from workers.upscaler.opencv import REFERENCE

SIDE = 64  # pixels of the input shown
SHOWN = 2  # times each upscaled pixel is enlarged for the page
GAP = 6


def drawing() -> Pixels:
    """Return a (64, 64, 3) BGR scene of lines, letters and discs, drawn large and shrunk."""
    large = np.full((SIDE * 8, SIDE * 8, 3), (235, 240, 245), np.uint8)
    centre = (360, 200)
    for spoke in range(24):
        angle = spoke * np.pi / 12
        end = (int(centre[0] + 130 * np.cos(angle)), int(centre[1] + 130 * np.sin(angle)))
        cv2.line(large, centre, end, (150, 60, 20), 7, cv2.LINE_AA)
    cv2.circle(large, centre, 136, (60, 60, 200), 12, cv2.LINE_AA)
    cv2.ellipse(large, (110, 150), (80, 110), 20, 0, 360, (90, 150, 60), -1, cv2.LINE_AA)
    for row in range(5):
        cv2.line(large, (20, 330 + 16 * row), (240, 250 + 16 * row), (40, 40, 40), 5, cv2.LINE_AA)
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(large, "Darkroom", (24, 470), font, 3.0, (30, 30, 30), 9, cv2.LINE_AA)
    return np.asarray(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def compose(picture: Pixels, x: int, y: int) -> Pixels:
    """Return the three panels for the crop of ``picture`` (h, w, 3) whose corner is (x, y)."""
    catalogue = Catalogue.read(None)
    weights = catalogue.find(*BUNDLED_MODEL)
    size = (picture.shape[1] * 2, picture.shape[0] * 2)
    versions = (
        cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST),
        cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC),
        REFERENCE.enlarge(catalogue.path(weights), weights, picture),
    )
    crops = [v[2 * y : 2 * (y + SIDE), 2 * x : 2 * (x + SIDE)] for v in versions]
    panels = [
        cv2.resize(c, None, fx=SHOWN, fy=SHOWN, interpolation=cv2.INTER_NEAREST) for c in crops
    ]
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    return np.asarray(np.hstack([panels[0], gap, panels[1], gap, panels[2]]), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.sample", description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--at", type=int, nargs=2, default=(0, 0), metavar=("X", "Y"))
    given = parser.parse_args()
    picture = drawing() if given.picture is None else cv2.imread(str(given.picture))
    if picture is None:
        parser.error(f"{given.picture} is not a picture that OpenCV reads")
    cv2.imwrite(str(given.output), compose(np.asarray(picture, np.uint8), *given.at))


if __name__ == "__main__":
    main()
