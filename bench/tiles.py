"""``python -m bench.tiles``: how long one 640x480 picture takes by the side of its tiles.

Prints a Markdown table: milliseconds, the median of five, one thread, x2, each model at hand.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from bench.flows import SHARED, picture
from models.catalogue import Catalogue
from workers.picture import Pixels
from workers.upscaler import engine, tiles

SIDES = (96, 128, 160, 192, 256)


def median(work: Callable[[], object]) -> float:
    """Return the median of five runs in milliseconds, after one that does not count."""
    work()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def tiled(network: engine.Network, pixels: Pixels, side: int, radius: int) -> Pixels:
    return tiles.apply(
        lambda part: engine.enlarge(network, part), pixels, 2, side, radius, lambda share: None
    )


def main() -> None:
    cv2.setNumThreads(1)
    data = np.frombuffer(picture(0, 640, 480), np.uint8)
    pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    print("| model | untiled | " + " | ".join(map(str, SIDES)) + " |")
    print("|---|" + "---|" * (len(SIDES) + 1))
    for weights in catalogue.available():
        if weights.scale != 2 or weights.algorithm == "lapsrn":
            continue
        network = engine.load(catalogue.path(weights), weights.algorithm, 2)
        whole = median(lambda n=network: engine.enlarge(n, pixels))  # type: ignore[misc]
        cells = [
            median(lambda n=network, s=side, r=weights.radius: tiled(n, pixels, s, r))  # type: ignore[misc]
            for side in SIDES
        ]
        print(f"| {weights.name} | {whole:.0f} | " + " | ".join(f"{c:.0f}" for c in cells) + " |")


if __name__ == "__main__":
    main()
