"""Run a soak: load, rest, measure; valid load alone; load again, rest, measure."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing

from bench.soak import process_stats, valid_requests
from bench.soak.darkroom import Darkroom, start_darkroom
from bench.soak.growth import compare
from bench.soak.load import load
from bench.soak.records import Records
from bench.soak.report import Report
from bench.soak.store_stats import StoreStats

_SAMPLE_SECONDS = 3.0
_REST_SECONDS = 120  # at most, until all that expires is gone
_REST_SAMPLES = 5  # samples, a second apart: the median counts
_DISK_SAMPLE_SECONDS = 0.2
_LEAST_THROUGHPUT = 0.5
"""Of valid clients under attack, compared to that of the same clients alone."""


async def soak(
    seconds: float,
    lanes: int,
    seed: str,
    command: str,
    changes: Mapping[str, str] | None = None,
    least: int = 1,
) -> Report:
    """Soak a Darkroom that is started for it, for ``seconds`` in two halves.

    Between them the valid clients are alone for half as long as one; with 0 seconds they are not,
    and nothing is compared. ``changes``: settings that differ from the soak's own. Each act is
    performed at least once in the first half, and at least ``least`` times in the second.
    """
    with start_darkroom(seconds, changes) as darkroom, closing(StoreStats(darkroom)) as stores:
        records = Records(valid_requests.ACTS)
        peak: Counter[str] = Counter()
        free: list[int] = []
        watching = [
            asyncio.create_task(_track_peak(darkroom, stores, peak)),
            asyncio.create_task(_track_free(darkroom, free)),
        ]
        began = time.monotonic()
        first = await load(darkroom, records, seconds / 2, lanes, f"{seed}:first")
        rests = [await _wait_for_rest(darkroom, stores)]
        alone = None
        if seconds:
            alone = await load(darkroom, records, seconds / 4, lanes, f"{seed}:2", hostile=False)
        second = await load(darkroom, records, seconds / 2, lanes, f"{seed}:2", least)
        rests.append(await _wait_for_rest(darkroom, stores))
        took = time.monotonic() - began
        for each in watching:
            each.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        lines = compare(rests[0], peak, rests[1])
        complaints = [
            f"{line.what}: {line.end}, at most {line.most}" for line in lines if line.grew
        ]
        complaints += records.faults
        if alone and second.valid_acts < _LEAST_THROUGHPUT * alone.valid_acts:
            complaints.append(
                f"valid clients finished {second.valid_acts:.1f} acts a second under attack, "
                f"{alone.valid_acts:.1f} alone"
            )
        if darkroom.disk_bytes and min(free) < darkroom.min_free_bytes:
            complaints.append(f"free disk: {min(free)} bytes, at least {darkroom.min_free_bytes}")
        lost = await asyncio.to_thread(stores.lost, records.accepted)
        if lost:
            complaints.append(f"{len(lost)} tasks were promised and lost: {sorted(lost)[:10]}")
        if wrong := await asyncio.to_thread(darkroom.check):
            complaints.append(f"python -m models check: {wrong}")
        if tracebacks := darkroom.log.read_text().count("Traceback"):
            complaints.append(f"{tracebacks} tracebacks in the log")
        if records.fault_count or complaints:
            complaints.append(f"the log ends with:\n{darkroom.log.read_text()[-6000:]}")
        return Report(
            command,
            took,
            records,
            lines,
            len(lost),
            await asyncio.to_thread(stores.collection_counts),
            await asyncio.to_thread(stores.status_counts),
            first.health + second.health,
            (second.valid_acts, alone.valid_acts) if alone else None,
            (min(free), darkroom.min_free_bytes, darkroom.disk_bytes),
            complaints,
        )


async def _figures(darkroom: Darkroom, stores: StoreStats) -> Counter[str]:
    def both() -> Counter[str]:
        return process_stats.measure(darkroom) + Counter(stores.measure())

    return await asyncio.to_thread(both)


async def _track_peak(darkroom: Darkroom, stores: StoreStats, peak: Counter[str]) -> None:
    """Keep the highest value of each figure, until cancelled."""
    while True:
        peak |= await _figures(darkroom, stores)
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _track_free(darkroom: Darkroom, free: list[int]) -> None:
    """Append the free bytes of its disk again and again, until cancelled."""
    while True:
        free.append(shutil.disk_usage(darkroom.data_dir).free)
        await asyncio.sleep(_DISK_SAMPLE_SECONDS)


async def _wait_for_rest(darkroom: Darkroom, stores: StoreStats) -> dict[str, int]:
    """Wait until all that expires is gone, at most _REST_SECONDS; return the figures then."""
    deadline = time.monotonic() + _REST_SECONDS
    while True:
        now = await _figures(darkroom, stores)
        left = any(line.grew for line in compare(now, now, now))
        if not left or time.monotonic() > deadline:
            break
        await asyncio.sleep(1)
    samples = []
    for _ in range(_REST_SAMPLES):
        await asyncio.sleep(1)
        samples.append(await _figures(darkroom, stores))
    names = {name for sample in samples for name in sample}
    return {name: round(statistics.median(s[name] for s in samples)) for name in names}
