"""The training pictures: read once, kept as uint8 planes in memory."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.degrade import Plane, bicubic, jpeg

EXTRA_SIZE = 0.72  # a second, smaller copy of each large picture: more detail per pixel
QUALITIES = (60, 95)  # JPEG qualities of training inputs, lowest and highest
VERSIONS = 3  # compressed copies of each picture, each at a quality of its own
_MIN_PICTURES_FOR_PROCESSES = 64  # fewer are read faster than processes start
HELD_OUT = 20  # the last pictures by name validate and are never trained on


@dataclass(frozen=True)
class Pair:
    """A picture's luma in both sizes; ``compressed`` are ``low`` after JPEG."""

    high: Plane
    low: Plane
    compressed: tuple[Plane, ...]


def read_luma(path: Path) -> Plane:
    """Return the Y plane (full range, as cv2's YCrCb has it) of the picture at ``path``."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path} is not a picture that OpenCV reads")
    return np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)[:, :, 0])


def pair(luma: Plane, scale: int, qualities: Iterable[int]) -> Pair:
    """Crop ``luma`` to whole multiples of ``scale`` and add its low-resolution versions."""
    high = luma[: luma.shape[0] // scale * scale, : luma.shape[1] // scale * scale]
    low = bicubic(high, high.shape[0] // scale, high.shape[1] // scale)
    return Pair(high, low, tuple(jpeg(low, quality) for quality in qualities))


def pictures_below(folder: Path) -> list[Path]:
    """Return the paths of all pictures below ``folder``, by name."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in {".png", ".jpg", ".bmp"})


def split(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return (training, validation) picture paths below ``folder``, in a fixed order.

    Validation pictures come from ``div2k`` where there is one, else from all.
    """
    paths = pictures_below(folder)
    pool = [p for p in paths if p.parent.name == "div2k"] or paths
    held_out = pool[-min(HELD_OUT, len(pool) // 4 or 1) :]
    return [p for p in paths if p not in set(held_out)], held_out


def load(paths: list[Path], scale: int, rng: np.random.Generator, smallest: int) -> list[Pair]:
    """Read ``paths`` and shrunken copies of them; drop those with a low side under ``smallest``."""
    drawn = rng.integers(*QUALITIES, size=(len(paths), 2, VERSIONS), endpoint=True)
    one = partial(_copies, scale=scale, smallest=smallest)
    if len(paths) < _MIN_PICTURES_FOR_PROCESSES:
        return [each for copies in map(one, paths, drawn) for each in copies]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        return [each for copies in processes.map(one, paths, drawn, chunksize=8) for each in copies]


def _copies(path: Path, qualities: NDArray[np.int64], scale: int, smallest: int) -> list[Pair]:
    """Return the picture and its smaller copy, compressed at ``qualities`` (2, VERSIONS)."""
    luma = read_luma(path)
    copies = [luma]
    if path.parent.name != "t91":  # these are small already
        size = (round(luma.shape[1] * EXTRA_SIZE), round(luma.shape[0] * EXTRA_SIZE))
        copies.append(np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8))
    return [
        pair(copy, scale, map(int, each))
        for copy, each in zip(copies, qualities, strict=False)
        if min(copy.shape) // scale >= smallest
    ]
