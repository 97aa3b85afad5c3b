"""``python -m bench.auto PICTURES``: what ``quality=auto`` chooses of pictures with known damage.

PICTURES has the folders bsds, t91 and div2k. Prints a Markdown table: the share of 24 pictures of
each that get ``photo``, in percent; of text the same.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from workers.imaging.picture import Picture, Pixels
from workers.upscaler.auto import choose

_COUNT = 24
_SHRUNK = {"bsds": 0.66}  # its pictures are JPEGs themselves
_COLOURS = (
    ("white", "black"),
    ("#202428", "#e8e6da"),
    ("white", "#c80000"),
    ("#003ca0", "#ffe600"),
    ("#f5f0e6", "#3c3228"),
    ("white", "#5a5a5a"),
)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return what a JPEG of ``quality`` shows, with halved chroma."""
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    ok, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling])
    decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if ok else None
    if decoded is None:
        raise RuntimeError("the picture cannot be compressed")
    return np.asarray(decoded, np.uint8)


def noisy(pixels: Pixels, sigma: float) -> Pixels:
    """Return ``pixels`` with Gaussian noise of ``sigma`` levels in each channel."""
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def cropped(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[3:, 5:])


DAMAGE: dict[str, Callable[[Pixels], Pixels]] = {
    "none": lambda p: p,
    "JPEG 95": lambda p: jpeg(p, 95),
    "JPEG 85": lambda p: jpeg(p, 85),
    "JPEG 80": lambda p: jpeg(p, 80),
    "JPEG 75": lambda p: jpeg(p, 75),
    "JPEG 60": lambda p: jpeg(p, 60),
    "JPEG 40": lambda p: jpeg(p, 40),
    "JPEG 40, then 95": lambda p: jpeg(jpeg(p, 40), 95),
    "JPEG 60, cropped, then 92": lambda p: jpeg(cropped(jpeg(p, 60)), 92),
    "noise 2": lambda p: noisy(p, 2),
    "noise 3": lambda p: noisy(p, 3),
    "noise 5": lambda p: noisy(p, 5),
    "noise 10": lambda p: noisy(p, 10),
    "noise 5, then JPEG 95": lambda p: jpeg(noisy(p, 5), 95),
    "noise 5, then JPEG 85": lambda p: jpeg(noisy(p, 5), 85),
}


def text(number: int) -> Pixels:
    """Return a page of letters, 320 x 240, in one of twelve combinations of colours and sizes."""
    ground, ink = _COLOURS[number % len(_COLOURS)]
    size = (10, 14, 22, 40)[number % 4]
    image, rng = Image.new("RGB", (320, 240), ground), random.Random(number)
    draw = ImageDraw.Draw(image)
    for row in range(4, 240, int(size * 1.4)):
        line = "".join(rng.choice("abcdefghiklmnoprstuvw    ABCDEFG0123,.") for _ in range(60))
        draw.text((4, row), line, fill=ink, font=ImageFont.load_default(size))
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def photographs(folder: Path) -> list[Pixels]:
    """Return ``_COUNT`` pictures of ``folder``, always the same."""
    found = []
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for path in random.Random(3).sample(paths, min(_COUNT, len(paths))):
        read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if read is None:
            continue
        times = _SHRUNK.get(folder.name, 1.0)
        small = cv2.resize(read, None, fx=times, fy=times, interpolation=cv2.INTER_AREA)
        found.append(np.asarray(small, np.uint8))
    return found


def share(pictures: list[Pixels], damage: Callable[[Pixels], Pixels]) -> float:
    """Return how many of ``pictures`` get the photo network, 0 to 1."""
    notes = [choose(Picture(damage(each)), 80, 2)[1] for each in pictures]
    return sum(note.endswith(": photo") for note in notes) / len(notes)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.auto", description=__doc__)
    parser.add_argument("pictures", type=Path)
    folder = parser.parse_args().pictures
    sets = {name: photographs(folder / name) for name in ("bsds", "t91", "div2k")}
    sets["text"] = [text(number) for number in range(_COUNT)]
    print(f"| damage | {' | '.join(sets)} |\n|---|{'---|' * len(sets)}")
    for name, damage in DAMAGE.items():
        cells = [f"{share(pictures, damage):.0%}" for pictures in sets.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
