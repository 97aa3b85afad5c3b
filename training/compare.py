"""``python -m training.compare PICTURES [--weights DIR]``: all networks on held-out pictures.

Low resolution by Matlab's bicubic, mean PSNR on full-range Y in dB with ``scale`` pixels cropped,
8-bit pictures in and out; clean input and input after JPEG at quality 85. Milliseconds are the best
of three for 640x480 in ``cv2.dnn_superres``, untiled. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from models.catalogue import Catalogue
from training.degrade import Plane, bicubic, psnr
from training.pictures import Pair, pair, read_luma, split
from workers.upscaler.opencv import REFERENCE

Enlarge = Callable[[Plane], Plane]


def contestants(catalogue: Catalogue, scale: int) -> Iterator[tuple[str, Enlarge]]:
    """Yield (name, function from a low plane to a high one) for interpolations and networks."""

    def matlab(low: Plane) -> Plane:
        return bicubic(low, low.shape[0] * scale, low.shape[1] * scale)

    def cubic(low: Plane) -> Plane:
        size = (low.shape[1] * scale, low.shape[0] * scale)
        return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    yield "bicubic (Matlab)", matlab
    yield "cv2 INTER_CUBIC", cubic
    for weights in catalogue.available():
        if weights.scale == scale:
            yield weights.name, partial(REFERENCE.enlarge, catalogue.path(weights), weights)


def score(enlarge: Enlarge, pairs: list[Pair], scale: int) -> tuple[float, float]:
    """Return mean PSNR in dB for clean and for compressed input."""
    clean = [psnr(enlarge(p.low), p.high, scale) for p in pairs]
    compressed = [psnr(enlarge(p.compressed), p.high, scale) for p in pairs]
    return float(np.mean(clean)), float(np.mean(compressed))


def milliseconds(enlarge: Enlarge) -> float:
    plane = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
    enlarge(plane)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        enlarge(plane)
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with the published networks")
    parser.add_argument("--scale", type=int, default=2)
    given = parser.parse_args()
    pairs = [pair(read_luma(path), given.scale, 85) for path in split(given.pictures)[1]]
    print(f"x{given.scale}, {len(pairs)} pictures, {cv2.getNumThreads()} threads\n")
    print("| | clean, dB | over bicubic | JPEG 85, dB | over bicubic | 640x480, ms |")
    print("|---|---|---|---|---|---|")
    base: tuple[float, float] | None = None
    for name, enlarge in contestants(Catalogue.read(given.weights), given.scale):
        clean, compressed = score(enlarge, pairs, given.scale)
        base = base or (clean, compressed)
        print(
            f"| {name} | {clean:.2f} | {clean - base[0]:+.2f} "
            f"| {compressed:.2f} | {compressed - base[1]:+.2f} | {milliseconds(enlarge):.0f} |"
        )


if __name__ == "__main__":
    main()
