"""``python -m bench.sanity``: how far valid and broken results are from their inputs.

Prints a Markdown table: for each kind of picture the lowest PSNR in dB and the largest difference
of a block's mean in levels, over all available models and scales, after scaling down.
``SanityLimits`` lie beyond the worst of a valid network.
"""

from __future__ import annotations

import cv2
import numpy as np

from bench.throughput import SHARED
from models.networks.catalogue import Catalogue
from workers.imaging.picture import Pixels
from workers.upscaler import sanity
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.sanity import SanityLimits

_ANY = SanityLimits(0, 256)


def pictures() -> dict[str, Pixels]:
    """Return small pictures: real ones, and what is hardest to scale."""
    found: dict[str, Pixels] = {}
    folder = SHARED.parent / "images"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        whole = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR), np.uint8)
        found[path.name] = np.ascontiguousarray(whole[:192, :192])
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:96, 0:96]
    grays = {
        "noise": rng.integers(0, 256, (96, 96)),
        "black and white noise": rng.integers(0, 2, (96, 96)) * 255,
        "checkerboard": (x + y) % 2 * 255,
        "columns": x % 2 * 255,
        "rows": y % 2 * 255,
        "every third column": (x % 3 == 0) * 255,
        "dots": ((x % 4 == 0) & (y % 4 == 0)) * 255,
        "one white pixel": (x == 40) & (y == 40),
        "edge": (x > 48) * 255,
        "gradient": x * 255 // 95,
        "dark": rng.integers(0, 3, (96, 96)),
        "white": np.full((96, 96), 255),
    }
    for name, gray in grays.items():
        found[name] = np.repeat(np.asarray(gray, np.uint8)[:, :, None], 3, axis=2)
    found["one white pixel"] = found["one white pixel"] * np.uint8(255)
    found["coloured noise"] = rng.integers(0, 256, (96, 96, 3), np.uint8)
    found["saturated noise"] = rng.integers(0, 2, (96, 96, 3), np.uint8) * np.uint8(255)
    found["red and blue columns"] = np.zeros((96, 96, 3), np.uint8)
    found["red and blue columns"][:, ::2, 2] = 255
    found["red and blue columns"][:, 1::2, 0] = 255
    found["1x1"] = np.full((1, 1, 3), 200, np.uint8)
    found["1x60 noise"] = rng.integers(0, 256, (60, 1, 3), np.uint8)
    found["3x3 noise"] = rng.integers(0, 256, (3, 3, 3), np.uint8)
    return found


def main() -> None:
    catalogue = Catalogue.read(SHARED if SHARED.is_dir() else None)
    print("| picture | PSNR | of | block | of |\n|---|---|---|---|---|")
    for name, pixels in pictures().items():
        rows = []
        for weights in catalogue.available():
            after = REFERENCE.enlarge(catalogue.path(weights), weights, pixels)
            found = sanity.check_enlargement(pixels, after, _ANY)
            rows.append((found.psnr_db, found.block_shift, f"{weights.name} x{weights.scale}"))
        psnr, _, of = min(rows)
        _, block, by = max(rows, key=lambda row: row[1])
        print(f"| {name} | {psnr:.1f} | {of} | {block:.0f} | {by} |")


if __name__ == "__main__":
    main()
