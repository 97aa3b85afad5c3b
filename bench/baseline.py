"""Baselines: the same work in bare processes, by plain OpenCV and by the workers' own pipeline."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.networks.catalogue import Catalogue
from models.operations import Encoding
from models.operations.upscale import Upscale
from models.settings import FIELDS
from workers.pipeline import Limits, Pipeline
from workers.upscaler.engine import Engine
from workers.upscaler.opencv import REFERENCE
from workers.upscaler.select import choose_engine

Work = Callable[[bytes], tuple[float, float]]
"""Does one picture and returns its seconds, and those of the processor."""


@dataclass(frozen=True)
class Model:
    """A network as cv2.dnn_superres takes it."""

    name: str
    path: Path
    algorithm: str
    scale: int
    weights_dir: Path | None


_network: Any = None
_model: Model | None = None
_catalogue: Catalogue | None = None
_engine: Engine = REFERENCE


def _prepare(model: Model, threads: int) -> None:
    global _network, _model, _catalogue, _engine  # noqa: PLW0603 -- a pool's initializer has no other place
    _model, _catalogue = model, Catalogue.read(model.weights_dir)
    cv2.setNumThreads(threads)
    _engine, _ = choose_engine("auto", "auto", _catalogue)
    _network = cv2.dnn_superres.DnnSuperResImpl_create()  # type: ignore[attr-defined]
    _network.readModel(str(model.path))
    _network.setModel(model.algorithm, model.scale)


def by_opencv(data: bytes) -> tuple[float, float]:
    """Do it in memory, with plain OpenCV."""
    began, spent = time.perf_counter(), time.process_time()
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    cv2.imencode(".png", _network.upsample(picture))
    return time.perf_counter() - began, time.process_time() - spent


def by_pipeline(data: bytes) -> tuple[float, float]:
    """Do it with ``workers.pipeline``, from file to file, as a child process does it."""
    assert _model is not None
    assert _catalogue is not None
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "original"
        source.write_bytes(data)
        began, spent = time.perf_counter(), time.process_time()
        pipeline = Pipeline(
            [Upscale(model=_model.name, scale=_model.scale)],
            Encoding("png"),
            _catalogue,
            Limits(10**9, 10**9, FIELDS["tile_pixels"].default),
            lambda share: None,
            engine=_engine,
        )
        pipeline.process(source, Path(name), 10**9)
        return time.perf_counter() - began, time.process_time() - spent


def start_pool(model: Model, processes: int, threads: int) -> Pool:
    """Return a pool of ``processes`` that each computes with ``threads``."""
    context = multiprocessing.get_context("spawn")
    return context.Pool(processes, _prepare, (model, threads))


def rate(pool: Pool, work: Work, pictures: Sequence[bytes]) -> tuple[float, float]:
    """Return pictures a second over all of ``pictures``, and processor milliseconds of each."""
    pool.map(work, pictures[:4], chunksize=1)
    began = time.perf_counter()
    spent = [each for _, each in pool.map(work, pictures, chunksize=1)]
    return len(pictures) / (time.perf_counter() - began), 1000 * sum(spent) / len(pictures)


def latencies(pool: Pool, work: Work, pictures: Sequence[bytes]) -> list[float]:
    """Return seconds for each of ``pictures``, one after the other."""
    pool.apply(work, (pictures[0],))
    return [pool.apply(work, (data,))[0] for data in pictures]
