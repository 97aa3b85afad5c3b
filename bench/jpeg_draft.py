"""``python -m bench.jpeg_draft``: how long a JPEG of 12 megapixels takes to become a thumbnail.

Prints a Markdown table: milliseconds, the median of five, one thread, from the file to the pixels
of the result, decoded whole and with the decoder's own scaling, and their ratio. What remains of
the latter is entropy decoding, which grows with the file: a grainy and a smooth one are measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from bench.throughput import make_image
from bench.tiles import median
from models.networks.catalogue import Catalogue
from models.operations import Operation, parse
from workers.imaging import codec
from workers.imaging.picture import Picture
from workers.operations import Tools, run

WIDTH, HEIGHT = 4000, 3000
SIDES = (100, 200, 400)
SOFTNESS = {"grainy": 1, "smooth": 101}  # side of the Gaussian that a picture goes through


def shrink(path: Path, spec: Operation, enough: codec.MinimumSize | None) -> Picture:
    tools = Tools(Catalogue([], {}), 0, lambda share: None)
    return run(codec.decode(path, WIDTH * HEIGHT, enough), spec, tools)[0]


def main() -> None:
    cv2.setNumThreads(1)
    data = np.frombuffer(make_image(0, WIDTH, HEIGHT), np.uint8)
    pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    print("| picture | MB | result | decoded whole | scaled by the decoder | ratio |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        for name, side in SOFTNESS.items():
            path = Path(folder) / f"{name}.jpg"
            soft = cv2.GaussianBlur(pixels, (side, side), 0)
            cv2.imwrite(str(path), soft, [cv2.IMWRITE_JPEG_QUALITY, 85])
            for row in rows(path):
                print(f"| {name} | {path.stat().st_size / 1e6:.1f} | {row} |")


def rows(path: Path) -> Iterator[str]:
    """Yield the cells of one result each: its size, both times and their ratio."""
    for side in SIDES:
        spec = parse("thumbnail", {"width": str(side)})
        whole = median(lambda s=spec: shrink(path, s, None))  # type: ignore[misc]
        scaled = median(lambda s=spec: shrink(path, s, s.minimum_decode_size))  # type: ignore[misc]
        width, height = spec.output_sizes(WIDTH, HEIGHT)[0]
        yield f"{width}x{height} | {whole:.0f} | {scaled:.0f} | {whole / scaled:.1f}"


if __name__ == "__main__":
    main()
