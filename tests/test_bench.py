"""The benchmarks run and print what bench/README.md says they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.house import ROOT


def test_flows_prints_its_figures() -> None:
    small = [
        "--flows",
        "6",
        "--rounds",
        "1",
        "--concurrency",
        "3",
        "--width",
        "64",
        "--height",
        "48",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "bench.flows", *small],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = json.loads(done.stdout)
    (measured,) = printed["rounds"]
    assert measured["flows_per_second"] > 0
    assert measured["ratio_to_opencv"] > 0
    assert set(measured["latency_ms"]) == {"p50", "p95", "p99"}
    assert set(printed["single_ms"]) == {"flow", "bare_opencv", "bare_pipeline"}
