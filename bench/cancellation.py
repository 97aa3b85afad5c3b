"""``python -m bench.cancellation``: milliseconds until a cancelled or late task has ended.

Prints a Markdown table. A 3000x3000 picture is upscaled, at its first progress DELETE is sent (or
TASK_TIMEOUT passes), and the clock runs until the child process that worked on it is gone, and
until the next task, sent before, runs in its place. The last column counts processes left.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.darkroom import run_darkroom
from bench.throughput import make_image

TIMES = 8
TIMEOUT = 3.0  # seconds; the picture takes longer
PAUSE = 0.005  # seconds between two polls: the precision of the figures

Body = dict[str, Any]


async def send(session: aiohttp.ClientSession, url: str, number: int) -> Body:
    form = aiohttp.FormData({"format": "jpeg"})
    form.add_field("image", make_image(number, 3000, 3000), filename="picture.png")
    async with session.post(f"{url}/upscale", data=form) as response:
        body: Body = await response.json()
        return body


async def wait_until(ask: Callable[[], Coroutine[Any, Any, bool]]) -> float:
    """Return the time at which ``ask`` was first true."""
    while not await ask():
        await asyncio.sleep(PAUSE)
    return time.perf_counter()


def busiest_child(worker: psutil.Process) -> psutil.Process:
    """Return the child process that works: it has used the most CPU time."""
    return max(worker.children(recursive=True), key=lambda child: sum(child.cpu_times()[:2]))


async def measure_one(
    url: str, worker: psutil.Process, number: int, cancel: bool
) -> tuple[float, float]:
    """Return milliseconds to the end of the child, and to the start of the next task."""
    async with aiohttp.ClientSession() as session:

        async def status(task: Body) -> Body:
            async with session.get(f"{url}/tasks/{task['task_id']}") as response:
                body: Body = await response.json()
                return body

        first = await send(session, url, 2 * number)
        second = await send(session, url, 2 * number + 1)

        async def moving() -> bool:
            return bool((await status(first))["progress"])

        await wait_until(moving)
        child = busiest_child(worker)

        async def gone() -> bool:
            return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

        async def begun() -> bool:
            return bool((await status(second))["status"] == "STARTED")

        if cancel:
            began = time.perf_counter()
            async with session.delete(f"{url}/tasks/{first['task_id']}") as response:
                response.raise_for_status()
            ended, next_began = await asyncio.gather(wait_until(gone), wait_until(begun))
        else:
            ended, next_began = await asyncio.gather(wait_until(gone), wait_until(begun))
            task = await status(first)
            # The task's started_at says when its timeout began: both clocks are this machine's.
            started = datetime.fromisoformat(task["started_at"]).timestamp()
            late = time.time() - started - TIMEOUT
            began = time.perf_counter() - late
        async with session.delete(f"{url}/tasks/{second['task_id']}") as response:
            response.raise_for_status()
        return (ended - began) * 1000, (next_began - began) * 1000


def main() -> None:
    print("| | child ended, median ms | worst | next task runs, median | worst | left over |")
    print("|---|---|---|---|---|---|")
    for name, cancel in (("DELETE", True), ("TASK_TIMEOUT", False)):
        timeout = "600" if cancel else str(TIMEOUT)
        with (
            tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder,
            run_darkroom(DATA_DIR=folder, TASK_TIMEOUT=timeout, WORKER_PROCESSES="1") as url,
        ):
            worker = psutil.Process(int((Path(folder) / "run" / "worker-0.pid").read_text()))
            figures = [asyncio.run(measure_one(url, worker, n, cancel)) for n in range(TIMES)]
            time.sleep(1)
            left = len([p for p in worker.children(recursive=True) if p.is_running()]) - 2
        gone, begun = zip(*figures, strict=True)
        cells = [f(column) for column in (gone, begun) for f in (statistics.median, max)]
        print(f"| {name} | " + " | ".join(f"{c:.0f}" for c in cells) + f" | {left} |", flush=True)


if __name__ == "__main__":
    main()
