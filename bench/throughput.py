"""``python -m bench.throughput``: upload, poll, fetch, N at a time, against the bare work.

Prints JSON: flows a second, latencies in ms, the same work in bare processes in the same run, by
plain OpenCV and by the workers' own pipeline, and the ratios. ``cpu_ratio`` is the part of the
processor time of a flow that the bare pipeline takes for its picture, whatever else the machine
does. Every image is distinct, so that no result is reused. Where the peer is at hand
(``bench.peer``), its flows and ours by the same client are in each round, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import secrets
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import psutil

from bench.baseline import Model, by_opencv, by_pipeline, latencies, rate, start_pool
from bench.chart import flows_chart
from bench.darkroom import run_darkroom
from bench.peer import FOLDER, flows_per_second, run_peer
from models.networks.catalogue import Catalogue
from models.settings.worker import usable_cores

_KINDS = (
    "mongod",
    "redis-server",
    "workers.child",
    "workers",
    "service",
    "standalone",
    *("thumbor", "ipx", "spawn"),
)
OURS = ("mongod", "redis-server", "workers.child", "workers", "service")
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "weights"


def make_image(seed: int, width: int, height: int) -> bytes:
    """Return a distinct PNG with edges, texture and smooth parts, of a photograph's entropy."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = rng.normal(0, 3, (height, width, 1)).astype(np.float32)
    pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    for _ in range(12):
        a, b = rng.integers(0, [width, height], (2, 2))
        colour = [int(c) for c in rng.integers(0, 256, 3)]
        cv2.line(pixels, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), colour, 3)
    return bytes(cv2.imencode(".png", pixels)[1])


async def run_flow(
    session: aiohttp.ClientSession, url: str, data: bytes, form: dict[str, str]
) -> float:
    """Run one flow; return its seconds."""
    began = time.perf_counter()
    fields = aiohttp.FormData(form)
    # A name of its own: results of one name would make the service look for another one.
    fields.add_field("image", data, filename=f"{secrets.token_hex(4)}.png")
    async with session.post(f"{url}/upscale", data=fields) as response:
        response.raise_for_status()
        body = await response.json()
    while body["status"] not in {"SUCCESS", "FAILURE"}:
        async with session.get(f"{url}/tasks/{body['task_id']}?wait=30") as response:
            body = await response.json()
    if body["status"] != "SUCCESS":
        raise RuntimeError(body["error"])
    async with session.get(f"{url}{body['url']}") as response:
        got = len(await response.read())
    if got != body["results"][0]["bytes"]:
        raise RuntimeError(f"{got} bytes came of {body['results'][0]['bytes']}")
    return time.perf_counter() - began


async def run_flows(
    url: str, pictures: list[bytes], form: dict[str, str], concurrency: int
) -> tuple[float, list[float]]:
    """Return (flows a second, seconds of each) at ``concurrency``."""
    seconds: list[float] = []
    waiting = iter(pictures)

    async def lane(session: aiohttp.ClientSession) -> None:
        for data in waiting:
            seconds.append(await run_flow(session, url, data, form))

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(lane(session) for _ in range(concurrency)))
        return len(pictures) / (time.perf_counter() - began), seconds


@contextmanager
def cpu_time(count: int) -> Iterator[dict[str, float]]:
    """Fill a dictionary with CPU milliseconds of each kind of process, divided by ``count``."""
    spent: dict[str, float] = {}
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    before = {p: sum(p.cpu_times()[:2]) for p in processes}
    yield spent
    for process, start in before.items():
        command = " ".join(process.cmdline())
        kind = next((k for k in _KINDS if k in command), "client")
        seconds = sum(process.cpu_times()[:2]) - start
        spent[kind] = round(spent.get(kind, 0) + seconds * 1000 / count, 1)


def milliseconds(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    points = {
        f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)
    }
    return {name: round(value * 1000, 1) for name, value in points.items()}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    weights_dir = SHARED if SHARED.is_dir() else None
    catalogue = Catalogue.read(weights_dir)
    weights = catalogue.find(given.model, given.scale)
    path = catalogue.path(weights)
    model = Model(given.model, path, weights.algorithm, weights.scale, weights_dir)
    seeds = iter(range(10**9))

    def some(count: int) -> list[bytes]:
        return [make_image(next(seeds), given.width, given.height) for _ in range(count)]

    form = {"model": given.model, "scale": str(given.scale)}
    environment = {"WEIGHTS_DIR": str(weights_dir)} if weights_dir else {}
    rounds: list[dict[str, Any]] = []
    with (
        start_pool(model, usable_cores(), 1) as each_core,
        start_pool(model, 1, usable_cores()) as one_process,
        start_pool(model, 1, 1) as one_thread,
        run_darkroom(**environment) as url,
        run_peer(model.path, model.algorithm, model.scale, wanted=given.peer) as peer_url,
    ):

        def bare(pictures: list[bytes]) -> tuple[float, float, float]:
            """Pictures a second of plain OpenCV, used at its best, and of our pipeline; its ms."""
            opencv = max(rate(pool, by_opencv, pictures)[0] for pool in (each_core, one_process))
            return opencv, *rate(each_core, by_pipeline, pictures)

        def by_client(of: str) -> float:
            size = f"{given.width}x{given.height}"
            return flows_per_second(of, given.flows, given.concurrency, size, form)

        asyncio.run(run_flows(url, some(4), form, 2))  # networks read, indexes warm
        for _ in range(given.rounds):
            # Baselines, Darkroom, baselines: a machine that slows down meanwhile slows all of them.
            work = some(given.flows)
            before = bare(work)
            with cpu_time(len(work)) as spent:
                speed, seconds = asyncio.run(run_flows(url, work, form, given.concurrency))
            both = zip(before, bare(work), strict=True)
            opencv, pipeline, pipeline_ms = [sum(pair) / 2 for pair in both]
            measured: dict[str, Any] = {
                "flows_per_second": round(speed, 2),
                "bare_opencv_per_second": round(opencv, 2),
                "bare_pipeline_per_second": round(pipeline, 2),
                "ratio_to_opencv": round(speed / opencv, 3),
                "ratio_to_pipeline": round(speed / pipeline, 3),
                "cpu_ratio": round(pipeline_ms / sum(spent[kind] for kind in OURS), 3),
                "latency_ms": milliseconds(seconds),
                "cpu_ms_per_flow": spent,
            }
            if peer_url:
                ours, theirs = by_client(url), by_client(peer_url)
                measured |= {"polled_flows_per_second": ours, "peer_flows_per_second": theirs}
                measured["ratio_to_peer"] = round(ours / theirs, 2)
            rounds.append(measured)
        alone = some(given.single)
        single = {
            "flow": asyncio.run(run_flows(url, alone, form, 1))[1],
            "bare_opencv": latencies(one_thread, by_opencv, alone),
            "bare_pipeline": latencies(one_thread, by_pipeline, alone),
        }

    def ratio(measured: dict[str, Any]) -> float:
        return float(measured["ratio_to_opencv"])

    median = {name: statistics.median(values) * 1000 for name, values in single.items()}
    return {
        "machine": {"cores": usable_cores(), "cpu": platform.processor() or platform.machine()},
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "work": {**form, "width": given.width, "height": given.height, "flows": given.flows},
        "concurrency": given.concurrency,
        "rounds": rounds,
        "median_round": sorted(rounds, key=ratio)[len(rounds) // 2],
        "single_ms": {name: milliseconds(values) for name, values in single.items()},
        "single_overhead_ms": {
            "over_opencv": round(median["flow"] - median["bare_opencv"], 1),
            "over_pipeline": round(median["flow"] - median["bare_pipeline"], 1),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--flows", type=int, default=48, help="flows in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--single", type=int, default=30, help="flows one after the other")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    default = "FSRCNN" if SHARED.is_dir() else "darkroom-fast"
    parser.add_argument("--model", default=default)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--chart", type=Path, help="write a PNG with the figures as bars")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=FOLDER.is_dir())
    given = parser.parse_args()
    measured = measure(given)
    print(json.dumps(measured, indent=1))
    if given.chart:
        cv2.imwrite(str(given.chart), flows_chart(measured))


if __name__ == "__main__":
    main()
