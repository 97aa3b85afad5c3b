"""``python -m bench.fairness``: how long one picture waits behind a batch of a hundred.

Prints a Markdown table, seconds from submission to the result. Each time a hundred pictures of
640x480 are sent to be upscaled, then at once one more: by another client, or by the same one, where
it comes after the hundred, as with one queue for all clients. The share is of the time that the
hundred took. The first row is the picture on its own.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import aiohttp

from bench.darkroom import run_darkroom
from bench.throughput import make_image

TIMES = 3
BATCH = 100
ONE, OTHER = "198.51.100.1", "198.51.100.2"

Body = dict[str, Any]


async def send(url: str, who: str, numbers: range) -> Body:
    form = aiohttp.FormData({"format": "jpeg"})
    for number in numbers:
        form.add_field("image", make_image(number, 640, 480), filename=f"{number}.png")
    headers = {"X-Forwarded-For": who}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/upscale", data=form, headers=headers) as response,
    ):
        response.raise_for_status()
        body: Body = await response.json()
        return body


async def wait_until_ended(url: str, path: str) -> float:
    """Return the time at which the task or group at ``path`` has ended."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}{path}", params={"wait": "60"}) as response:
                body = await response.json()
            if body["status"] not in {"CREATED", "STARTED"}:
                return time.perf_counter()


async def measure_once(url: str, first: int, batch: int, who: str) -> tuple[float, float]:
    """Return the seconds of the single picture and of the batch before it."""
    began = time.perf_counter()
    group = await send(url, ONE, range(first, first + batch)) if batch else None
    sent = time.perf_counter()
    single = await send(url, who, range(first + batch, first + batch + 1))
    waits = [wait_until_ended(url, f"/tasks/{single['task_id']}")]
    if group:
        waits.append(wait_until_ended(url, f"/status/{group['group_id']}"))
    times = await asyncio.gather(*waits)
    return times[0] - sent, times[-1] - began


def main() -> None:
    print("| the picture is sent | seconds to its result, median | worst | share of batch time |")
    print("|---|---|---|---|")
    first = 0
    with run_darkroom(PROXIES="1") as url:
        asyncio.run(measure_once(url, 10**6, 4, OTHER))  # warms up
        for name, batch, who in (
            ("alone", 0, OTHER),
            ("behind another client's hundred", BATCH, OTHER),
            ("behind the same client's hundred", BATCH, ONE),
        ):
            found = []
            for _ in range(TIMES):
                found.append(asyncio.run(measure_once(url, first, batch, who)))
                first += 1000
            own = [seconds for seconds, _ in found]
            share = statistics.median(a / b for a, b in found) if batch else 1.0
            print(
                f"| {name} | {statistics.median(own):.2f} | {max(own):.2f} | {share:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
