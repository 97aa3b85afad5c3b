"""``python -m bench.fairness``: how long one picture waits behind the work of others.

Prints two Markdown tables, seconds from submission to the result. First, each time a hundred
pictures of 640x480 are sent to be upscaled, then at once one more: by another client, or by the
same one, where it comes after the hundred, as with one queue for all clients. The share is of the
time that the hundred took. The first row is the picture on its own. Then a thumbnail is sent,
alone, and while long upscales of another client have all children of the worker.
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
THUMBNAILS = 10
LONG = 3
"""Long upscales: one more than the worker has children."""
ONE, OTHER = "198.51.100.1", "198.51.100.2"

Body = dict[str, Any]


async def send(
    url: str,
    who: str,
    numbers: range,
    path: str = "/upscale",
    size: tuple[int, int] = (640, 480),
    **fields: str,
) -> Body:
    form = aiohttp.FormData({"format": "jpeg", **fields})
    for number in numbers:
        form.add_field("image", make_image(number, *size), filename=f"{number}.png")
    headers = {"X-Forwarded-For": who}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}{path}", data=form, headers=headers) as response,
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


async def measure_thumbnails(url: str, first: int) -> list[float]:
    """Return the seconds of some thumbnails, sent one after the other."""
    found = []
    for number in range(first, first + THUMBNAILS):
        sent = time.perf_counter()
        task = await send(url, OTHER, range(number, number + 1), "/thumbnail", width="100")
        found.append(await wait_until_ended(url, f"/tasks/{task['task_id']}") - sent)
    return found


async def measure_behind_long(url: str, first: int) -> list[float]:
    """Return the seconds of some thumbnails while LONG upscales run, which it then cancels."""
    group = await send(url, ONE, range(first, first + LONG), size=(2400, 1800), quality="best")
    async with aiohttp.ClientSession() as session:
        path = f"{url}/status/{group['group_id']}"

        async def running() -> int:
            async with session.get(path) as response:
                tasks = (await response.json())["tasks"]
            return sum(task["status"] == "STARTED" for task in tasks)

        while await running() < LONG - 1:  # one waits, so that no child becomes free
            await asyncio.sleep(0.05)
        found = await measure_thumbnails(url, first + LONG)
        if await running() < LONG - 1:
            raise RuntimeError("the long upscales ended before the thumbnails")
        for task in group["tasks"]:
            await session.delete(f"{url}/tasks/{task['task_id']}")
    return found


def main() -> None:
    print("| the picture is sent | seconds to its result, median | worst | share of batch time |")
    print("|---|---|---|---|")
    first = 0
    with run_darkroom(PROXIES="1", WORKER_PROCESSES=str(LONG - 1)) as url:
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
        print("\n| a thumbnail is sent | seconds to its result, median | worst |\n|---|---|---|")
        asyncio.run(measure_thumbnails(url, first))  # warms up
        for name, measure in (
            ("alone", measure_thumbnails),
            ("while another client's upscales have all children", measure_behind_long),
        ):
            first += 1000
            own = asyncio.run(measure(url, first))
            print(f"| {name} | {statistics.median(own):.2f} | {max(own):.2f} |", flush=True)


if __name__ == "__main__":
    main()
