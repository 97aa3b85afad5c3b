"""Measure the processor time of networks, each in a process of its own.

Earlier runs in a process change its memory layout, so none favours a network. On one thread:
several threads wait for each other in loops, which would count.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from training.before_after import PHOTOGRAPHS
from training.candidates import BICUBIC, enlarger, names, read_catalogue

SIZES = {2: (640, 480), 4: (320, 240)}
"""Width and height of the picture that is timed, by scale: both results have 1280x960."""
_RUNS = 2


def processor_seconds(weights: Path | None, others: Path | None, scale: int) -> dict[str, float]:
    """Return the seconds for one photograph of each network for ``scale``: the best of two runs."""
    if scale not in SIZES:
        return {}
    wanted = [n for n in names(read_catalogue(weights, others), scale) if n != BICUBIC]
    # One process a task; spawned, since OpenVINO's threads do not survive a fork.
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        return {n: pool.submit(_seconds, weights, others, n, scale).result() for n in wanted}


def _seconds(weights: Path | None, others: Path | None, name: str, scale: int) -> float:
    cv2.setNumThreads(1)
    enlarge = enlarger(read_catalogue(weights, others), name, scale)
    photograph = cv2.imread(str(PHOTOGRAPHS / "chelsea.png"))
    assert photograph is not None
    picture = np.asarray(cv2.resize(photograph, SIZES[scale]), np.uint8)
    enlarge(np.ascontiguousarray(picture[:64, :64]))  # reads and compiles the network
    times = []
    for _ in range(_RUNS):
        began = time.process_time()
        enlarge(picture)
        times.append(time.process_time() - began)
    return min(times)
