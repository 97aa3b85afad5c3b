"""``python -m bench.tiles``: how long one 640x480 picture takes by the side of its tiles.

Prints a Markdown table: milliseconds, the fastest of seven, one thread, x2, each model at hand.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from bench.throughput import SHARED, make_image
from models.networks.catalogue import Catalogue, Weights
from workers.imaging.picture import Pixels
from workers.upscaler import tiles
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import OpenCV
from workers.upscaler.openvino import OpenVINO

SIDES = (96, 128, 160, 192, 256, 320)


def median(work: Callable[[], object]) -> float:
    """Return the median of five runs in milliseconds, after one that does not count."""
    work()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def fastest(work: Callable[[], object], runs: int = 7) -> float:
    """Return the least of ``runs`` times in milliseconds, after one run that does not count.

    The least, because whatever else the machine does only ever adds.
    """
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def upscale_in_tiles(
    engine: Engine, catalogue: Catalogue, weights: Weights, pixels: Pixels, side: int
) -> Pixels:
    """Return ``pixels`` enlarged in tiles of ``side``."""
    path = catalogue.path(weights)
    return tiles.apply(
        lambda part: engine.enlarge(path, weights, part),
        pixels,
        weights.scale,
        side,
        weights.radius,
        lambda share: None,
    )


def main() -> None:
    cv2.setNumThreads(1)
    data = np.frombuffer(make_image(0, 640, 480), np.uint8)
    pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    print("| model | engine | untiled | " + " | ".join(map(str, SIDES)) + " |")
    print("|---|---|" + "---|" * (len(SIDES) + 1))
    for weights in catalogue.available():
        if weights.scale != 2 or weights.algorithm == "lapsrn":
            continue
        for engine in (OpenCV(), OpenVINO()):
            cells = [
                fastest(partial(upscale_in_tiles, engine, catalogue, weights, pixels, side))
                for side in (1000, *SIDES)
            ]
            listed = " | ".join(f"{cell:.0f}" for cell in cells)
            print(f"| {weights.name} | {engine.name} | {listed} |", flush=True)


if __name__ == "__main__":
    main()
