"""``python -m bench.idle``: what an idle Darkroom costs, and how fast it wakes.

Prints JSON: for each process, child processes included, its share of one core in percent over
SECONDS without a request; the calls a second to Redis and MongoDB meanwhile, by command (the
difference of WORKERS=1 and WORKERS=3 is what two workers cost); and for TASKS small pictures, sent
one at a time to idle workers, the milliseconds from the creation of the task to its start, median
and maximum.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
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

SETTLE_SECONDS = 15.0  # caches, indexes and JITs of a new Darkroom
TASKS = 40
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
        run_darkroom(DATA_DIR=folder) as url,
    ):
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
