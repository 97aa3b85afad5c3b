"""How long no upload is accepted after each fault of MongoDB's servers, as a Markdown table."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time

import aiohttp

from tests.cluster import faults
from tests.cluster.cluster import Cluster
from tests.support import images

CASES: tuple[tuple[faults.Injection, float], ...] = (
    (faults.primary_killed, 30),
    (faults.primary_silent, 30),
    (faults.primary_cut_off, 30),
    (faults.primary_stopped, 5),
    (faults.majority_lost, 25),
)
"""Each fault, and for how many seconds it lasts: longer than an election by default."""
SETTINGS = {"MAX_QUEUE_PER_CLIENT": "10000"}  # no worker runs: all that is accepted waits
_PAUSE_SECONDS = 0.2  # between two uploads: the precision of the figures
_ANSWER_SECONDS = 60  # nothing takes as long


async def measure(cluster: Cluster, times: int) -> list[str]:
    """Return the lines of a table: a row a fault, from ``times`` measurements."""
    rows = ["| fault | median s | worst s |", "|---|---|---|"]
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    ) as session:
        probe = _Probe(cluster, session)
        for inject, seconds in CASES:
            gaps = [await probe.gap(inject, seconds) for _ in range(times)]
            name = inject.__name__.replace("_", " ")
            rows.append(f"| {name} | {statistics.median(gaps):.1f} | {max(gaps):.1f} |")
    return rows


class _Probe:
    """Uploads a new picture again and again, to each service in turn, and waits for no answer."""

    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession) -> None:
        self._cluster, self._session = cluster, session
        self._numbers = itertools.count()
        self._urls = itertools.cycle(cluster.urls)
        self._accepted: list[float] = []

    async def gap(self, inject: faults.Injection, seconds: float) -> float:
        """Return the longest time between two accepted uploads while ``inject`` does its harm."""
        self._accepted.clear()
        harm = asyncio.create_task(asyncio.to_thread(self._harm, inject, seconds))
        uploads = []
        while not harm.done():
            uploads.append(asyncio.create_task(self._upload()))
            await asyncio.sleep(_PAUSE_SECONDS)
        await harm
        await asyncio.gather(*uploads)
        times = itertools.pairwise(sorted(self._accepted))
        return max(later - earlier for earlier, later in times)

    def _harm(self, inject: faults.Injection, seconds: float) -> None:
        time.sleep(1)  # some uploads come before
        with inject(self._cluster, random.Random(1)):
            time.sleep(seconds)
        self._cluster.wait_until_whole()
        time.sleep(1)  # and some after

    async def _upload(self) -> None:
        number = next(self._numbers)
        form = images.form(images.png(16, 16, seed=number), f"{number}.png")
        try:
            async with self._session.post(f"{next(self._urls)}/grayscale", data=form) as answer:
                if answer.status in {200, 202}:
                    self._accepted.append(time.monotonic())
        except (aiohttp.ClientError, TimeoutError):
            pass  # not accepted
