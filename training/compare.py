"""``python -m training.compare PICTURES [--weights DIR]``: all networks on held-out pictures.

Low resolution by Matlab's bicubic, mean PSNR on full-range Y in dB with ``scale`` pixels cropped,
8-bit pictures in and out, in OpenVINO; clean input and input after JPEG; in brackets what it is
over bicubic.
Milliseconds are the best of five for 640x480 in colour: ``cv2.dnn_superres`` untiled, and OpenVINO
in f32 and tiles, as the service runs it. Prints a Markdown table for each scale.
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
from training.validation import VALIDATED
from workers.picture import Pixels
from workers.upscaler import tiles
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.openvino import OpenVINO

Enlarge = Callable[[Plane], Plane]


def contestants(catalogue: Catalogue, scale: int) -> Iterator[tuple[str, Enlarge]]:
    """Yield (name, function from a low plane to a high one) for interpolations and networks."""

    def matlab(low: Plane) -> Plane:
        return bicubic(low, low.shape[0] * scale, low.shape[1] * scale)

    def cubic(low: Plane) -> Plane:
        size = (low.shape[1] * scale, low.shape[0] * scale)
        return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), np.uint8)

    engine = OpenVINO()
    yield "bicubic (Matlab)", matlab
    yield "cv2 INTER_CUBIC", cubic
    for weights in catalogue.available():
        if weights.scale == scale:
            yield weights.name, partial(engine.enlarge, catalogue.path(weights), weights)


def score(enlarge: Enlarge, pairs: list[Pair], scale: int) -> list[float]:
    """Return mean PSNR in dB for clean and for compressed input, at each of VALIDATED."""
    inputs = [[p.low for p in pairs]]
    inputs += [[p.compressed[number] for p in pairs] for number in range(len(VALIDATED))]
    highs = [p.high for p in pairs]
    return [
        float(
            np.mean(
                [psnr(enlarge(low), high, scale) for low, high in zip(lows, highs, strict=True)]
            )
        )
        for lows in inputs
    ]


def milliseconds(enlarge: Callable[[Pixels], Pixels]) -> float:
    """Return the best of five for a 640x480 picture in colour."""
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    enlarge(picture)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        enlarge(picture)
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def speeds(catalogue: Catalogue, name: str, scale: int) -> str:
    """Return milliseconds in plain dnn_superres and in OpenVINO's tiles, as two cells."""
    if not any((w.name, w.scale) == (name, scale) for w in catalogue.available()):
        return "| | |"
    weights = catalogue.find(name, scale)
    path, engine = catalogue.path(weights), OpenVINO()

    def tiled(picture: Pixels) -> Pixels:
        run = partial(engine.enlarge, path, weights)
        side = tiles.side(engine.tile, weights, picture.shape[0] * picture.shape[1])
        return tiles.apply(run, picture, scale, side, weights.radius, lambda share: None)

    plain = milliseconds(partial(REFERENCE.enlarge, path, weights))
    return f"| {plain:.0f} | {milliseconds(tiled):.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with the published networks")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4])
    given = parser.parse_args()
    catalogue = Catalogue.read(given.weights)
    for scale in given.scales:
        pairs = [pair(read_luma(path), scale, VALIDATED) for path in split(given.pictures)[1]]
        compressed = " | ".join(f"JPEG {quality}, dB" for quality in VALIDATED)
        print(f"\n| x{scale} | clean, dB | {compressed} | dnn_superres, ms | OpenVINO, ms |")
        print("|---|---|" + "---|" * len(VALIDATED) + "---|---|")
        base: list[float] = []
        for name, enlarge in contestants(catalogue, scale):
            found = score(enlarge, pairs, scale)
            base = base or found
            cells = [f"{a:.2f} ({a - b:+.2f})" for a, b in zip(found, base, strict=True)]
            print(f"| {name} | {' | '.join(cells)} {speeds(catalogue, name, scale)}", flush=True)


if __name__ == "__main__":
    main()
