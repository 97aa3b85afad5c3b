"""``python -m bench.idle``: what an idle Darkroom costs, and how fast it wakes.

Prints JSON: for each process, child processes included, its share of one core in percent over
SECONDS without a request; the calls a second to Redis and MongoDB meanwhile, by command (the
difference of WORKERS=1 and WORKERS=3 is what two workers cost); and for TASKS small pictures, sent
one at a time to idle workers, the milliseconds from the creation of the task to its start, median
and maximum.

``--fleet 1 11 31`` prints instead what the stores take beside so many idle workers, and what a
thousand would take by the slope of a line through these.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import aiohttp
import psutil

from bench.darkroom import run_darkroom
from bench.store_calls import mongodb_commands, redis_commands
from bench.throughput import make_image
from models.replica_set import embedded_mongo_url
from models.settings import Settings
from models.store import Store
from standalone import embedded_stores

SETTLE_SECONDS = 15.0  # caches, indexes and JITs of a new Darkroom
TASKS = 40
STORES = ("mongo", "redis")
PAUSE_SECONDS = 0.3  # between two tasks: the worker is idle again


def processor_seconds(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def shares(run_dir: Path, seconds: float) -> dict[str, float]:
    """Return the percentage of one core that each process takes, by its name."""
    processes = {file.stem: psutil.Process(int(file.read_text())) for file in run_dir.glob("*.pid")}
    before = {name: processor_seconds(process) for name, process in processes.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - began
    return {
        name: round(100 * (processor_seconds(process) - before[name]) / elapsed, 2)
        for name, process in processes.items()
    }


async def start_delays(url: str) -> list[float]:
    """Return the milliseconds from creation to start of TASKS tasks, one at a time."""
    delays = []
    async with aiohttp.ClientSession() as session:
        for number in range(TASKS):
            form = aiohttp.FormData()
            form.add_field("image", make_image(number, 64, 64), filename="picture.png")
            async with session.post(f"{url}/thumbnail?wait=30", data=form) as response:
                body = await response.json()
            times = [datetime.fromisoformat(body[name]) for name in ("created_at", "started_at")]
            delays.append((times[1] - times[0]).total_seconds() * 1000)
            await asyncio.sleep(PAUSE_SECONDS)
    return delays


def calls(data_dir: Path) -> dict[str, Counter[str]]:
    return {"redis": redis_commands(data_dir), "mongodb": mongodb_commands(data_dir)}


def beside(data_dir: Path, seconds: float) -> dict[str, float]:
    """Return the stores' shares of a core, and the calls to them a second."""
    before = calls(data_dir)
    took = shares(data_dir / "run", seconds)
    asked = {
        f"{name} calls a second": (after - before[name]).total() / seconds
        for name, after in calls(data_dir).items()
    }
    return {f"{name}, percent of a core": took[name] for name in STORES} | asked


async def all_alive(store: Store, workers: int) -> None:
    while await store.workers.count_alive() < workers:
        await asyncio.sleep(0.5)


async def measure_fleet(data_dir: Path, sizes: list[int], seconds: float) -> None:
    urls = {
        "MONGO_URL": embedded_mongo_url(data_dir),
        "REDIS_URL": embedded_stores.redis_url(data_dir),
    }
    environment = {**os.environ, **urls, "WORKER_PROCESSES": "1", "LOG_LEVEL": "ERROR"}
    store = await Store.open(Settings.load().replace(mongo_url=urls["MONGO_URL"]))
    started: list[asyncio.subprocess.Process] = []
    rows = []
    try:
        await all_alive(store, 1)
        for size in sizes:
            while len(started) + 1 < size:
                command = (sys.executable, "-m", "workers", "run")
                started.append(await asyncio.create_subprocess_exec(*command, env=environment))
                await all_alive(store, len(started) + 1)
            await asyncio.sleep(SETTLE_SECONDS)
            rows.append(await asyncio.to_thread(beside, data_dir, seconds))
    finally:
        store.close()
        for process in started:
            process.terminate()
        for process in started:
            await process.wait()
    print(f"| idle workers | {' | '.join(map(str, sizes))} | 1000, by the slope |")
    print("|---" * (2 + len(sizes)) + "|")
    for name in rows[0]:
        values = [row[name] for row in rows]
        slope, start = statistics.linear_regression(sizes, values)
        shown = " | ".join(f"{value:.2f}" for value in values)
        print(f"| {name} | {shown} | {start + 1000 * slope:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--fleet", type=int, nargs="+", help="numbers of workers")
    given = parser.parse_args()
    seconds = given.seconds
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
        run_darkroom(DATA_DIR=folder) as url,
    ):
        if given.fleet:
            asyncio.run(measure_fleet(Path(folder), given.fleet, seconds))
            return
        time.sleep(SETTLE_SECONDS)
        before, began = calls(Path(folder)), time.perf_counter()
        figures: dict[str, object] = {"percent of a core": shares(Path(folder) / "run", seconds)}
        elapsed = time.perf_counter() - began
        figures["calls a second"] = {
            store: {
                name: round(count / elapsed, 2)
                for name, count in (found - before[store]).most_common()
                if count > 1  # not this program's own
            }
            for store, found in calls(Path(folder)).items()
        }
        delays = asyncio.run(start_delays(url))
    figures["ms to start"] = {"median": statistics.median(delays), "max": max(delays)}
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
