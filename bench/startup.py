"""``python -m bench.startup``: seconds to ready, and from a worker's kill -9 to the task's success.

Prints JSON. The task is a 3000x3000 picture with the bundled network, killed at its first progress;
``undisturbed`` is the same work without the kill, so the difference is what the death cost.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.darkroom import run_darkroom
from bench.throughput import make_image


async def task(url: str, data: bytes, kill: Path | None) -> float:
    """Return seconds from upload to success, with a kill at the first progress if asked."""
    form = aiohttp.FormData({"format": "jpeg" if kill else "png"})
    form.add_field("image", data, filename="picture.png")
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/upscale", data=form) as response:
            body: dict[str, Any] = await response.json()
        began = time.perf_counter()
        while body["status"] != "SUCCESS":
            if kill is not None and body["progress"] > 0:
                os.kill(int(kill.read_text()), signal.SIGKILL)
                kill, began = None, time.perf_counter()
            wait = 0.05 if kill else 60
            async with session.get(f"{url}/tasks/{body['task_id']}?wait={wait}") as response:
                body = await response.json()
    return time.perf_counter() - began


def main() -> None:
    data = make_image(1, 3000, 3000)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
        for name in ("first_start", "second_start"):
            began = time.perf_counter()
            with run_darkroom(DATA_DIR=folder) as url:
                figures[name] = round(time.perf_counter() - began, 2)
                if name == "second_start":
                    figures["undisturbed"] = round(asyncio.run(task(url, data, None)), 2)
                    pid = Path(folder) / "run" / "worker-0.pid"
                    figures["after_kill"] = round(asyncio.run(task(url, data, pid)), 2)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
