"""The workload: every operation and some pipelines on small images, the same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from models.operations import OPERATIONS
from tests.support import images

_SIZE = (112, 108)  # the smallest round size in which every operation's example fits
_LARGE = (420, 320)  # some longer tasks, so that faults hit running work
_PIPELINES: tuple[list[str | dict[str, object]], ...] = (
    ["upscale=2", "grayscale"],
    [
        "upscale=2",
        {"op": "blur", "kernel": 9},
    ],  # same beginning as the one before: reuses its intermediate
    ["split", "resize=2"],
    ["rotate=90", "thumbnail=60", "convert=webp"],
    ["grayscale", "blur=5", "resize=0.5", "convert=jpeg"],
)


@dataclass(frozen=True)
class Submission:
    """One POST: its path, its fields, and how its images are generated."""

    path: str
    fields: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    make: Callable[[int], bytes]
    seeds: tuple[int, ...]

    @cached_property
    def files(self) -> list[tuple[str, bytes]]:
        return [(name, self.make(seed)) for name, seed in zip(self.names, self.seeds, strict=True)]


def small(seed: int) -> bytes:
    return images.png(*_SIZE, seed)


def photograph(seed: int) -> bytes:
    return images.jpeg(*_SIZE, seed)


def large(seed: int) -> bytes:
    return images.png(*_LARGE, seed)


def submissions(count: int, seed: int) -> list[Submission]:
    """Return ``count`` submissions of distinct images; a tenth of them are groups."""
    requests: list[tuple[str, dict[str, str], Callable[[int], bytes]]] = [
        (f"/{op}", dict(spec.example), small) for op, spec in OPERATIONS.items()
    ]
    requests += [("/process", {"operations": json.dumps(each)}, small) for each in _PIPELINES]
    requests += [
        ("/upscale", {"scale": "3", "quality": "fast"}, photograph),
        ("/upscale", {"scale": "2", "quality": "best"}, small),
        ("/upscale", {"scale": "4", "format": "webp"}, photograph),
        ("/upscale", {"scale": "2", "quality": "balanced"}, large),
        ("/resize", {"width": "50", "format": "jpeg"}, photograph),
    ]
    made = []
    for number in range(count):
        path, fields, make = requests[number % len(requests)]
        count_of_images = 3 if number % 10 == 9 else 1
        seeds = tuple(10 * number + part for part in range(count_of_images))
        names = tuple(f"{each}.png" for each in seeds)
        made.append(Submission(path, tuple(fields.items()), names, make, seeds))
    random.Random(seed).shuffle(made)
    return made
