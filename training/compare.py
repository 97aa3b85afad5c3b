"""``python -m training.compare PICTURES [--weights DIR]``: all networks on held-out pictures.

Low resolution by Matlab's bicubic, mean PSNR on full-range Y in dB with ``scale`` pixels cropped,
8-bit pictures in and out, in OpenVINO; clean input and input after JPEG; in brackets the
gain over bicubic. Milliseconds for 640x480 in colour come from ``training.speed``.
Prints a Markdown table for each scale.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from models.networks.catalogue import Catalogue
from training.dataset import Pair, pair, read_luma, split
from training.degrade import Plane, bicubic, psnr
from training.speed import ENGINES, Times, speeds
from training.validation import VALIDATED
from workers.upscaler.openvino import OpenVINO

Enlarge = Callable[[Plane], Plane]


def candidates(catalogue: Catalogue, scale: int) -> Iterator[tuple[str, Enlarge]]:
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


def processor() -> str:
    """Return which vector instructions convolutions have, which decide their speed."""
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{os.cpu_count()} cores, {', '.join(known) or 'vector instructions unknown'}"


def cells(times: Times, name: str) -> str:
    """Return milliseconds in each engine as cells, empty for interpolations."""
    return " | ".join(f"{times[name, e]:.0f}" if (name, e) in times else "" for e in ENGINES)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with the published networks")
    parser.add_argument("--scales", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--untimed", action="store_true", help="leave the milliseconds out")
    given = parser.parse_args()
    catalogue = Catalogue.read(given.weights)
    print(processor())
    for scale in given.scales:
        pairs = [pair(read_luma(path), scale, VALIDATED) for path in split(given.pictures)[1]]
        names = [w.name for w in catalogue.available() if w.scale == scale]
        times = {} if given.untimed else speeds(given.weights, names, scale)
        compressed = " | ".join(f"JPEG {quality}, dB" for quality in VALIDATED)
        print(f"\n| x{scale} | clean, dB | {compressed} | dnn_superres, ms | OpenVINO, ms |")
        print("|---|---|" + "---|" * len(VALIDATED) + "---|---|")
        base: list[float] = []
        for name, enlarge in candidates(catalogue, scale):
            found = score(enlarge, pairs, scale)
            base = base or found
            shown = [f"{a:.2f} ({a - b:+.2f})" for a, b in zip(found, base, strict=True)]
            print(f"| {name} | {' | '.join(shown)} | {cells(times, name)} |", flush=True)


if __name__ == "__main__":
    main()
