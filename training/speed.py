"""Compare the speed of networks: alternating runs, each in a process of its own.

A machine's speed changes within minutes, and earlier runs in a process change its memory layout;
so neither favours a network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from models.networks.catalogue import Catalogue
from workers.imaging.picture import Pixels
from workers.upscaler import tiles

ENGINES = ("dnn_superres", "openvino")
_ROUNDS, _RUNS = 3, 1
Times = dict[tuple[str, str], float]
"""Milliseconds by network and engine."""


def speeds(folder: Path | None, names: list[str], scale: int) -> Times:
    """Return the best of several runs of each network for 640x480 in colour, in each engine."""
    best: Times = {}
    # One process a task; spawned, since OpenVINO's threads do not survive a fork.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        for _ in range(_ROUNDS):
            for name in names:
                for engine in ENGINES:
                    took = pool.submit(milliseconds, folder, name, scale, engine).result()
                    best[name, engine] = min(took, best.get((name, engine), took))
    return best


def milliseconds(folder: Path | None, name: str, scale: int, engine: str) -> float:
    """Return the best run of one network.

    ``engine``: ``dnn_superres``, untiled, or ``openvino``, in f32 and tiles as in the service.
    """
    catalogue = Catalogue.read(folder)
    weights = catalogue.find(name, scale)
    enlarge = _enlarger(engine, catalogue, name, scale)
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    assert enlarge(picture).shape == (480 * weights.scale, 640 * weights.scale, 3)
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        enlarge(picture)
        times.append(time.perf_counter() - began)
    return min(times) * 1000


def _enlarger(
    engine: str, catalogue: Catalogue, name: str, scale: int
) -> Callable[[Pixels], Pixels]:
    weights = catalogue.find(name, scale)
    path = catalogue.path(weights)
    if engine == "dnn_superres":
        from workers.upscaler.opencv import REFERENCE

        return partial(REFERENCE.enlarge, path, weights)
    from workers.upscaler.openvino import OpenVINO

    runner = OpenVINO()
    run = partial(runner.enlarge, path, weights)
    side = tiles.tile_side(runner.tile_side, weights, 640 * 480)
    return lambda picture: tiles.apply(
        run, picture, scale, side, weights.radius, lambda share: None
    )
