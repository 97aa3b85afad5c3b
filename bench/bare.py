"""The peer: decode, upscale, encode with plain OpenCV in bare processes, nothing else."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class Model:
    """A network as cv2.dnn_superres takes it."""

    path: Path
    algorithm: str
    scale: int


_network: Any = None


def _prepare(model: Model, threads: int) -> None:
    global _network  # noqa: PLW0603 -- a pool's initializer has no other place to leave it
    cv2.setNumThreads(threads)
    _network = cv2.dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined]
    _network.readModel(str(model.path))
    _network.setModel(model.algorithm, model.scale)


def _one(data: bytes) -> tuple[float, int]:
    """Return (seconds, bytes of the result) for one picture."""
    began = time.perf_counter()
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    _, result = cv2.imencode(".png", _network.upsample(picture))
    return time.perf_counter() - began, len(result)


def bare(model: Model, processes: int, threads: int) -> Pool:
    """Return a pool of ``processes`` that each computes with ``threads``."""
    context = multiprocessing.get_context("spawn")
    return context.Pool(processes, _prepare, (model, threads))


def rate(pool: Pool, pictures: Sequence[bytes]) -> float:
    """Return pictures a second over all of ``pictures``."""
    pool.map(_one, pictures[:4], chunksize=1)
    began = time.perf_counter()
    pool.map(_one, pictures, chunksize=1)
    return len(pictures) / (time.perf_counter() - began)


def latencies(pool: Pool, pictures: Sequence[bytes]) -> list[float]:
    """Return seconds for each of ``pictures``, one after the other."""
    return [pool.apply(_one, (data,))[0] for data in pictures]
