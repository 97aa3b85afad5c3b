"""``python -m bench.threads``: one picture alone and as many as cores at once, by threads of each.

Prints pictures a second through real child processes: upscale x2 of 1200x900, PNG to PNG. `by load`
is what a worker does: its cores divided by the tasks in its hands.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.throughput import make_image
from models.settings import Settings
from models.settings.worker import usable_cores
from workers.child.pool import ChildPool
from workers.child.process import ChildProcess
from workers.child.request import Request

ROUNDS = 4
REPEATS = 3
UPSCALE = [{"op": "upscale", "scale": 2, "model": "darkroom-fast"}]


def fixed_threads(threads: int) -> None:
    """Have every child use ``threads``, whatever its worker says; 0: as the worker says."""
    run = _ORIGINAL

    async def forced(self: ChildProcess, request: Request, progress: Any) -> dict[str, Any]:
        return await run(self, replace(request, threads=threads or request.threads), progress)

    ChildProcess.run = forced  # type: ignore[method-assign]


_ORIGINAL = ChildProcess.run


async def rate(children: ChildPool, at_once: int, rounds: int) -> float:
    """Return pictures a second with ``at_once`` in work at any time."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(at_once)]
        for number, folder in enumerate(folders):
            folder.mkdir()
            (folder / "original").write_bytes(make_image(number, 1200, 900))

        async def work(folder: Path, times: int) -> None:
            request = Request(str(folder / "original"), str(folder), UPSCALE, "png")
            for _ in range(times):
                answer = await children.run(request, lambda *_: None)
                if "results" not in answer:
                    raise RuntimeError(str(answer))

        await asyncio.gather(*(work(folder, 1) for folder in folders))
        began = time.perf_counter()
        await asyncio.gather(*(work(folder, rounds) for folder in folders))
        return at_once * rounds / (time.perf_counter() - began)


async def main() -> None:
    available = usable_cores()
    children = ChildPool(Settings().replace(worker_processes=available, newsletter_weekday="off"))
    await children.start()
    best: dict[int, list[float]] = {threads: [0.0, 0.0] for threads in (1, available, 0)}
    for _ in range(REPEATS):  # in turns, and the best of each: other work comes and goes
        for threads, rates in best.items():
            fixed_threads(threads)
            rates[0] = max(rates[0], await rate(children, 1, ROUNDS))
            rates[1] = max(rates[1], await rate(children, available, ROUNDS))
    print(f"| threads of each ({available} cores) | one alone | {available} at once |")
    print("|---|---|---|")
    for threads, (alone, together) in best.items():
        print(f"| {threads or 'by load'} | {alone:.2f}/s | {together:.2f}/s |")
    await children.stop()


if __name__ == "__main__":
    asyncio.run(main())
