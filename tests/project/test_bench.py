"""The benchmarks run and print the figures that bench/README.md describes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from bench import memory, threads
from bench.flow_cost import cpu_ratio
from bench.flow_profile import divide, rows
from bench.throughput import make_image
from models.settings import Settings
from tests.support.paths import ROOT
from workers.child.pool import ChildPool

pytestmark = pytest.mark.integration


def test_throughput_prints_its_figures() -> None:
    small = {"flows": 6, "rounds": 1, "concurrency": 3, "single": 4, "width": 64, "height": 48}
    arguments = ["--no-peer", *(f"--{name}={value}" for name, value in small.items())]
    cheap = {"UPSCALE_ENGINE": "opencv", "WORKER_PROCESSES": "1"}  # starts in half the time
    done = subprocess.run(
        [sys.executable, "-m", "bench.throughput", *arguments],
        cwd=ROOT,
        env={**os.environ, **cheap},
        capture_output=True,
        text=True,
        check=True,
    )
    printed = json.loads(done.stdout)
    (measured,) = printed["rounds"]
    assert measured["flows_per_second"] > 0
    assert measured["ratio_to_opencv"] > 0
    assert set(measured["latency_ms"]) == {"p50", "p95", "p99"}
    assert measured["cpu_ratio"] > 0
    assert set(printed["single_ms"]) == {"flow", "bare_opencv", "bare_pipeline"}


def test_a_flow_costs_no_fifth_more_beside_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured 0.59 to 0.71, with and without ten other programs on the same cores."""
    monkeypatch.setenv("UPSCALE_ENGINE", "auto")
    assert cpu_ratio(flows=8, at_once=4, width=320, height=240) > 0.49


async def test_memory_measures_a_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSCALE_ENGINE", "opencv")
    kinds = ("jpeg", "gray16", "rgba", "gray+alpha16")  # each way of writing, 1 to 4 channels
    assert set(kinds) <= set(memory.KINDS)
    for kind in kinds:
        need, measured, raw = await memory.measure(kind, 200, 100, memory.UPSCALE, "png")
        assert raw == 400 * 200 * 3
        assert 50_000_000 < measured < need


async def test_threads_measures_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "make_image", lambda seed, *_: make_image(seed, 64, 48))
    children = ChildPool(Settings().replace(worker_processes=1, upscale_engine="opencv"))
    await children.start()
    assert await threads.rate(children, 1, 1) > 0
    await children.stop()


def test_a_profile_is_divided_by_the_innermost_known_frame() -> None:
    worker, child = 'process 1:"python -m workers run"', 'process 2:"python -m workers.child 5 1"'
    upscale = "main (workers/child/__main__.py:1);_enlarge (workers/upscaler/engine.py:2)"
    lines = [
        f"{worker};run (asyncio/runners.py:1) 50",
        f"{worker};{child};{upscale} 2",
        f"{worker};{child};{upscale};infer (openvino/_ov_api.py:3);array (numpy/core.py:1) 60",
        f"{worker};{child};main (workers/child/__main__.py:1) 1",
    ]
    found = divide(lines, "children")
    assert found == {"network": 60, "tiles, luma and chroma": 2, "other": 1}
    spent = {
        "mongod": 30.0,
        "redis-server": 1.0,
        "workers.child": 126.0,
        "workers": 0,
        "service": 0,
    }
    nothing: Counter[str] = Counter()
    table = rows({"children": found, "worker": nothing, "service": nothing}, spent)
    assert table[2:] == [("children", "network", 120.0), ("children", "other", 6.0)]
