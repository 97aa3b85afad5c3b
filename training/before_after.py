"""``python -m training.before_after OUT.png``: compare an upscale with its input and the original.

From left to right: the input by pixels, bicubic, a bundled network, and the original, from which
Matlab's bicubic made the input. Each pixel of the result is shown twice as large.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from models.networks.catalogue import Catalogue
from training.degrade import bicubic
from workers.imaging.picture import Pixels
from workers.upscaler.opencv import REFERENCE

PHOTOGRAPHS = Path(__file__).resolve().parent.parent / "tests" / "photographs"
ROWS = (("chelsea.png", 2, (60, 40)), ("astronaut.png", 3, (40, 30)))
"""Photograph, scale and corner of the crop, for each row."""
SIDE = 96  # pixels of the result in a panel
ZOOM = 2  # side of each of these pixels in the output
GAP = 6  # pixels between panels


def small(picture: Pixels, scale: int) -> Pixels:
    """Return (h, w, 3) BGR shrunk by ``scale``, each channel by Matlab's bicubic."""
    height, width = (side // scale for side in picture.shape[:2])
    planes = [np.ascontiguousarray(picture[:, :, channel]) for channel in range(3)]
    return np.dstack([bicubic(plane, height, width) for plane in planes])


def compose(picture: Pixels, model: str, scale: int, x: int, y: int) -> Pixels:
    """Return the four panels for the crop of ``picture`` (h, w, 3) whose corner is (x, y)."""
    catalogue = Catalogue.read(None)
    weights = catalogue.find(model, scale)
    low = small(picture, scale)
    size = (low.shape[1] * scale, low.shape[0] * scale)
    versions = (
        cv2.resize(low, size, interpolation=cv2.INTER_NEAREST),
        cv2.resize(low, size, interpolation=cv2.INTER_CUBIC),
        REFERENCE.enlarge(catalogue.path(weights), weights, low),
        picture,
    )
    gap = np.full((SIDE * ZOOM, GAP, 3), 255, np.uint8)
    row = []
    for version in versions:
        crop = np.asarray(version, np.uint8)[y : y + SIDE, x : x + SIDE]
        shown = cv2.resize(crop, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
        row += [np.asarray(shown, np.uint8), gap]
    return np.hstack(row[:-1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.before_after", description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="darkroom-best")
    given = parser.parse_args()
    rows = []
    for name, scale, corner in ROWS:
        picture = cv2.imread(str(PHOTOGRAPHS / name))
        if picture is None:
            parser.error(f"{name} is not an image that OpenCV reads")
        rows.append(compose(np.asarray(picture, np.uint8), given.model, scale, *corner))
        rows.append(np.full((GAP, rows[0].shape[1], 3), 255, np.uint8))
    cv2.imwrite(str(given.output), np.vstack(rows[:-1]))


if __name__ == "__main__":
    main()
