"""``python -m bench.precision PICTURES``: what bf16 costs in quality, and gains in time.

Prints a Markdown table: for each network the decibels that enlargements lose against f32 (PSNR of
luma from 16 to 235, without a border of ``scale``; 192x192 from the middle of sixteen held-out
PICTURES, shrunk by their area, clean and after JPEG 85), the largest difference in levels, and how
many times as fast bf16 is (processor time, one thread).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.throughput import SHARED
from models.errors import BadParameter
from models.networks.catalogue import Catalogue, Weights
from training.dataset import split
from workers.imaging.picture import Pixels
from workers.upscaler.openvino import OpenVINO

_SIDE, _PICTURES = 192, 16
_LUMA = np.array([24.966, 128.553, 65.481]) / 255  # of BGR, ITU-R BT.601


def psnr_of_luma(one: Pixels, other: Pixels, border: int) -> float:
    inside = slice(border, -border)
    apart = (one[inside, inside].astype(float) - other[inside, inside]) @ _LUMA
    return float(10 * np.log10(255**2 / np.mean(apart**2)))


def crop(path: Path, side: int) -> Pixels:
    pixels = np.asarray(cv2.imread(str(path)), np.uint8)
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def timed(engine: OpenVINO, *given: Any) -> tuple[Pixels, float]:
    began = time.thread_time()
    made = engine.enlarge(*given)
    return made, time.thread_time() - began


def row(weights: Weights, path: Path, pictures: list[Path]) -> str:
    exact, fast, scale = OpenVINO("f32"), OpenVINO("bf16"), weights.scale
    lost: dict[int, list[float]] = {0: [], 85: []}
    most, gains = 0, []
    for picture in pictures:
        high = crop(picture, _SIDE // scale * scale)
        small: Any = cv2.resize(
            high, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA
        )
        for quality, found in lost.items():
            if quality:
                data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
                small = cv2.imdecode(data, cv2.IMREAD_COLOR)
            one, exact_seconds = timed(exact, path, weights, small)
            other, fast_seconds = timed(fast, path, weights, small)
            found.append(psnr_of_luma(high, one, scale) - psnr_of_luma(high, other, scale))
            most = max(most, int(np.abs(one.astype(int) - other).max()))
            gains.append(exact_seconds / fast_seconds)
    clean, compressed = lost.values()
    cells = [f"{weights.name} x{scale}", f"{np.mean(clean):.3f}", f"{max(clean):.3f}"]
    cells += [f"{np.mean(compressed):.3f}", str(most), f"{np.median(gains):.2f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    cv2.setNumThreads(1)
    held_out = split(Path(sys.argv[1]))[1]
    pictures = held_out[:: max(1, len(held_out) // _PICTURES)][:_PICTURES]
    print("| network | dB lost, clean | worst | JPEG 85 | levels | times as fast |")
    print("|---|---|---|---|---|---|")
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    for weights in catalogue.known:
        try:
            path = catalogue.path(catalogue.find(weights.name, weights.scale))
        except BadParameter:
            continue  # it was not fetched
        if weights.scale <= 4:  # larger ones take minutes
            print(row(weights, path, pictures), flush=True)


if __name__ == "__main__":
    main()
