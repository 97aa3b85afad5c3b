"""``python -m training.damaged PICTURES``: networks on held-out photographs that were damaged.

Each is shrunk by 4, gets noise and goes through JPEG, and is enlarged by 4 as the service does.
Prints a Markdown table: PSNR of Y as in ``training.compare``, and PIQE (Venkatanath et al., Blind
image quality evaluation using perception based features, 2015; lower is better) where the package
pypiqe is installed (``pip install --no-deps pypiqe==1.2``). ``--page`` also writes results to look
at: bicubic, balanced, photo, a network of ``--others``, the original.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from models.networks.catalogue import Catalogue
from models.operations.photo import FAITHFUL, PHOTO
from models.operations.upscale import Upscale
from training.candidates import BICUBIC, Enlarge, enlarger, names, read_catalogue
from training.compare import choose, read
from training.metrics import crop, luma, psnr
from workers.imaging.picture import Picture, Pixels
from workers.operations import Tools
from workers.operations.upscale import upscale
from workers.upscaler.openvino import OpenVINO

SCALE, COUNT = 4, 14
NOISE_LEVELS = (2, 5, 8)
QUALITIES = (40, 60, 75)
STRENGTHS = (65, 80, 100)
PHOTOGRAPHS = Path(__file__).resolve().parent.parent / "tests" / "photographs"
PAGE = (
    ("chelsea.png", 2, 3, 40),
    ("astronaut.png", 2, 5, 50),
    ("coffee.png", 2, 8, 40),
    ("chelsea.png", 4, 2, 60),
)
"""Photograph, scale, noise and JPEG quality of each row of the page."""
_GAP = 6  # pixels between panels


def damaged(picture: Pixels, scale: int, noise: float, quality: int) -> Pixels:
    """Return BGR ``picture`` shrunk, with gray noise (standard deviation in levels), after JPEG."""
    size = (picture.shape[1] // scale, picture.shape[0] // scale)
    low = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    added = np.random.default_rng(quality).normal(0, noise, (*low.shape[:2], 1))
    noisy = np.clip(np.rint(low + added), 0, 255).astype(np.uint8)
    ok, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"JPEG encoder refused a picture of {noisy.shape}")
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def candidates(catalogue: Catalogue, scale: int) -> Iterator[tuple[str, Enlarge]]:
    """Yield (name, function) of interpolation, networks, and the photo network's strengths."""
    engine = OpenVINO()

    def with_strength(low: Pixels, strength: int) -> Pixels:
        spec = Upscale(quality="photo", scale=scale, strength=strength)
        tools = Tools(catalogue, 0, lambda share: None, engine=engine)
        return np.asarray(upscale(Picture(low), spec, tools).pixels, np.uint8)

    for name in names(catalogue, scale):
        if name != PHOTO:
            yield name, enlarger(catalogue, name, scale)
    for strength in STRENGTHS:
        yield f"{PHOTO}, strength {strength}", partial(with_strength, strength=strength)


def piqe() -> Callable[[Pixels], float] | None:
    """Return the measure for BGR pixels, or None where pypiqe is not installed."""
    try:
        from pypiqe import piqe as measure
    except ImportError:
        return None
    return lambda picture: float(measure(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))[0])


def table(catalogue: Catalogue, pictures: list[Path]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    measure = piqe()
    inputs = []
    for number, path in enumerate(pictures):
        high = read(path, SCALE)
        noise = NOISE_LEVELS[number % len(NOISE_LEVELS)]
        quality = QUALITIES[number * len(QUALITIES) // len(pictures)]
        inputs.append((damaged(high, SCALE, noise, quality), high))
    yield f"| x{SCALE}, {len(inputs)} damaged photographs | PIQE | PSNR Y, dB |"
    yield "|---|---|---|"
    for name, enlarge in candidates(catalogue, SCALE):
        made = [enlarge(low) for low, _ in inputs]
        near = [
            psnr(crop(luma(one), SCALE), crop(luma(high), SCALE))
            for one, (_, high) in zip(made, inputs, strict=True)
        ]
        seen = f"{np.mean([measure(one) for one in made]):.1f}" if measure else "not installed"
        yield f"| {name} | {seen} | {np.mean(near):.2f} |"


def _enlarged(catalogue: Catalogue, name: str, scale: int, low: Pixels) -> Pixels:
    """Return ``low`` enlarged by ``name``: by 4 and shrunk where it cannot do less, else white."""
    known = [each for each in (scale, SCALE) if name in names(catalogue, each)]
    size = (low.shape[1] * scale, low.shape[0] * scale)
    if not known:
        return np.full((size[1], size[0], 3), 255, np.uint8)
    made = enlarger(catalogue, name, known[0])(low)
    return np.asarray(cv2.resize(made, size, interpolation=cv2.INTER_AREA), np.uint8)


def page(catalogue: Catalogue, others: list[str]) -> Pixels:
    """Return all rows: bicubic, balanced, photo at its default, ``others``, and the original."""
    rows = []
    for name, scale, noise, quality in PAGE:
        high = read(PHOTOGRAPHS / name, scale)
        low = damaged(high, scale, noise, quality)
        shown = [BICUBIC, FAITHFUL, PHOTO, *others]
        panels = [*(_enlarged(catalogue, each, scale, low) for each in shown), high]
        gap = np.full((high.shape[0], _GAP, 3), 255, np.uint8)
        row = [part for panel in panels for part in (panel, gap)]
        rows += [np.hstack(row[:-1]), np.full((_GAP, sum(p.shape[1] for p in row[:-1]), 3), 255)]
    return np.asarray(np.vstack(rows[:-1]), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.damaged", description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with the published networks")
    parser.add_argument("--others", type=Path, help="folder of other networks, NAME_x4.onnx")
    parser.add_argument("--page", type=Path, help="a .webp file to write")
    given = parser.parse_args()
    catalogue = read_catalogue(given.weights, given.others)
    if given.page is not None:
        shown = [each for each in names(catalogue, SCALE) if "x4v3" in each][:1]
        cv2.imwrite(str(given.page), page(catalogue, shown), [cv2.IMWRITE_WEBP_QUALITY, 90])
    for line in table(catalogue, choose(given.pictures, COUNT)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
