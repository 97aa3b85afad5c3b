"""``python -m bench.child_start``: what the start of a child process costs, and its memory.

Prints processor seconds and megabytes (MB, 10^6 bytes) that no other process shares, of the fork
server and of five children started one after the other (Linux).
"""

from __future__ import annotations

import asyncio
import statistics

import psutil

from models.settings import Settings
from workers.child.pool import ChildPool

CHILDREN = 5


def figures(process: psutil.Process) -> tuple[float, float]:
    """Return processor seconds so far, and megabytes of its own."""
    times, memory = process.cpu_times(), process.memory_full_info()
    return times.user + times.system, memory.uss / 1e6


async def main() -> None:
    children = ChildPool(Settings().replace(worker_processes=1))
    started = []
    for _ in range(CHILDREN):
        child = await children._start_child()
        started.append(figures(psutil.Process(child.pid)))
    server = psutil.Process(children.pids[0]).parent()
    assert server is not None
    print("| process | CPU s | MB of its own |")
    print("|---|---|---|")
    print("| fork server | {:.2f} | {:.0f} |".format(*figures(server)))
    seconds, memory = (statistics.median(column) for column in zip(*started, strict=True))
    print(f"| a child, median of {CHILDREN} | {seconds:.2f} | {memory:.0f} |")
    await children.stop()


if __name__ == "__main__":
    asyncio.run(main())
