"""``python -m bench.round_trips``: the calls to MongoDB and Redis that one flow takes.

A flow uploads a picture of 640x480 under a name of its own, waits with one long poll and fetches
the result. Prints two tables: MongoDB's operations by collection, from its profiler, and Redis'
commands, from its own statistics; for flows one at a time and eight at a time, less what the same
seconds without a flow took.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path

from bench.darkroom import run_darkroom
from bench.store_calls import profiled_operations, redis_commands
from bench.throughput import make_image, run_flows

FLOWS = 48
AT_ONCE = (1, 8)
SETTLE_SECONDS = 5.0
_FORM = {"scale": "2", "model": "darkroom-fast"}


def show(title: str, columns: list[Counter[str]]) -> None:
    print(f"| {title} | {' | '.join(f'{each} at once' for each in AT_ONCE)} |")
    print("|---" * (1 + len(AT_ONCE)) + "|")
    names = sorted(set().union(*columns), key=lambda name: -columns[0][name])
    for name in names:
        if max(column[name] for column in columns) >= 0.1 * FLOWS:
            print(f"| {name} | {' | '.join(f'{column[name] / FLOWS:.1f}' for column in columns)} |")
    print(f"| all | {' | '.join(f'{column.total() / FLOWS:.1f}' for column in columns)} |\n")


def main() -> None:
    found: dict[str, list[Counter[str]]] = {"MongoDB": [], "Redis": []}
    pictures = iter([make_image(seed, 640, 480) for seed in range((FLOWS + 3) * len(AT_ONCE))])
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
        run_darkroom(DATA_DIR=folder) as url,
    ):
        data_dir = Path(folder)
        for at_once in AT_ONCE:
            asyncio.run(run_flows(url, list(islice(pictures, 3)), _FORM, 1))
            time.sleep(SETTLE_SECONDS)
            profiled_operations(data_dir)
            before, began = redis_commands(data_dir), time.monotonic()
            asyncio.run(run_flows(url, list(islice(pictures, FLOWS)), _FORM, at_once))
            elapsed = time.monotonic() - began
            busy, after = profiled_operations(data_dir), redis_commands(data_dir)
            time.sleep(elapsed)
            busy.subtract(profiled_operations(data_dir))
            found["MongoDB"].append(busy)
            after.subtract(before)
            after.subtract(redis_commands(data_dir) - after - before)
            found["Redis"].append(after)
    for title, columns in found.items():
        show(title, columns)


if __name__ == "__main__":
    main()
