"""``python -m bench.result_cache``: what the Redis cache gives to results that are asked for often.

Starts one Darkroom with it and one without, asks both in turn for the same results, and prints a
Markdown table: milliseconds of one request after the other, requests a second with 16 at once, and
the ratios of the same run.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import aiohttp

from bench.darkroom import run_darkroom
from bench.throughput import make_image

SIZES = ((64, 48), (200, 150))  # results of 5 and 54 KiB: Redis gets none above 64 KiB
ROUNDS = 3
REQUESTS = 400
AT_ONCE = 16


@dataclass
class Measured:
    """Median milliseconds of one request, and requests a second of many."""

    single: float
    rate: float


async def result(session: aiohttp.ClientSession, url: str, width: int, height: int) -> str:
    """Return the URL of a result of that size."""
    form = aiohttp.FormData({"angle": "90"})
    form.add_field("image", make_image(1, width, height), filename=f"{width}.png")
    async with session.post(f"{url}/rotate?wait=30", data=form) as response:
        return url + str((await response.json())["url"])


async def ask(session: aiohttp.ClientSession, where: str) -> int:
    async with session.get(where) as response:
        return len(await response.read())


async def measure(session: aiohttp.ClientSession, where: str) -> Measured:
    for _ in range(5):
        await ask(session, where)
    times = []
    for _ in range(REQUESTS // 4):
        began = time.perf_counter()
        await ask(session, where)
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(REQUESTS // AT_ONCE):
        await asyncio.gather(*(ask(session, where) for _ in range(AT_ONCE)))
    rate = REQUESTS / (time.perf_counter() - began)
    return Measured(statistics.median(times) * 1000, rate)


async def compare(cached: str, plain: str) -> None:
    print("| result | ms from GridFS | ms from Redis | a second from GridFS | from Redis | ratio |")
    print("|---|---|---|---|---|---|")
    async with aiohttp.ClientSession() as session:
        for width, height in SIZES:
            places = [await result(session, url, width, height) for url in (plain, cached)]
            size = await ask(session, places[0])
            rounds = [[await measure(session, p) for p in places] for _ in range(ROUNDS)]
            grid, hot = (
                Measured(
                    statistics.median(r[n].single for r in rounds),
                    statistics.median(r[n].rate for r in rounds),
                )
                for n in (0, 1)
            )
            print(
                f"| {size / 1024:.0f} KiB | {grid.single:.2f} | {hot.single:.2f} "
                f"| {grid.rate:.0f} | {hot.rate:.0f} | {hot.rate / grid.rate:.2f} |"
            )


def main() -> None:
    with (
        run_darkroom() as cached,
        run_darkroom(CACHE_TOTAL_BYTES="0") as plain,
    ):
        asyncio.run(compare(cached, plain))


if __name__ == "__main__":
    main()
