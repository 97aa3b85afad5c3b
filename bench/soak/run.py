"""The course of a soak: load, rest, look, load again, rest, look."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from contextlib import closing

from bench.soak import process_stats
from bench.soak.darkroom import House, house
from bench.soak.growth import judge
from bench.soak.load import load
from bench.soak.records import Books
from bench.soak.report import Report
from bench.soak.store_stats import Witness

_SAMPLE_PAUSE = 3.0
_REST_SECONDS = 120  # at most, until what was to go is gone
_AT_REST = 5  # samples, a second apart: the median counts


async def course(seconds: float, lanes: int, seed: str, command: str) -> Report:
    """Soak a Darkroom of our own for ``seconds`` in two halves."""
    with house() as ours, closing(Witness(ours)) as witness:
        books = Books()
        peak: Counter[str] = Counter()
        watching = asyncio.create_task(_watch(ours, witness, peak))
        health, rests, loaded = [], [], 0.0
        for half in ("first", "second"):
            began = time.monotonic()
            health += await load(ours, books, seconds / 2, lanes, f"{seed}:{half}")
            loaded += time.monotonic() - began
            rests.append(await _rest(ours, witness))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        lines = judge(rests[0], peak, rests[1])
        complaints = [
            f"{line.what}: {line.end}, at most {line.most}" for line in lines if line.grew
        ]
        complaints += books.faults
        lost = await asyncio.to_thread(witness.lost, books.promised)
        if lost:
            complaints.append(f"{len(lost)} tasks were promised and lost: {sorted(lost)[:10]}")
        if wrong := await asyncio.to_thread(ours.check):
            complaints.append(f"python -m models check: {wrong}")
        if books.fault_count or complaints:
            complaints.append(f"the log ends with:\n{ours.log.read_text()[-6000:]}")
        return Report(
            command,
            loaded,
            books,
            lines,
            len(lost),
            await asyncio.to_thread(witness.entries),
            await asyncio.to_thread(witness.endings),
            health,
            complaints,
        )


async def _figures(ours: House, witness: Witness) -> Counter[str]:
    def both() -> Counter[str]:
        return process_stats.figures(ours) + Counter(witness.figures())

    return await asyncio.to_thread(both)


async def _watch(ours: House, witness: Witness, peak: Counter[str]) -> None:
    """Keep the most there was of everything, until cancelled."""
    while True:
        peak |= await _figures(ours, witness)
        await asyncio.sleep(_SAMPLE_PAUSE)


async def _rest(ours: House, witness: Witness) -> dict[str, int]:
    """Wait until what was to go is gone, or _REST_SECONDS; return what there is then."""
    deadline = time.monotonic() + _REST_SECONDS
    while True:
        now = await _figures(ours, witness)
        left = any(line.grew for line in judge(now, now, now))
        if not left or time.monotonic() > deadline:
            break
        await asyncio.sleep(1)
    samples = []
    for _ in range(_AT_REST):
        await asyncio.sleep(1)
        samples.append(await _figures(ours, witness))
    names = {name for sample in samples for name in sample}
    return {name: round(statistics.median(s[name] for s in samples)) for name in names}
