"""A storm: clients submit while everything dies; afterwards the books are gone through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from tests.chaos import verification
from tests.chaos.client import Client
from tests.chaos.faults import Harms, workers_of
from tests.chaos.oplog import Witness
from tests.chaos.schedule import Harm, schedule
from tests.chaos.verification import Digests
from tests.chaos.workload import Submission, submissions
from tests.support import images
from tests.support.standalone_process import House

_CALLERS = 6  # clients that submit at the same time
_KILLED_ABOVE = 500_000_000  # bytes; with the other pictures and all their networks it is under 350
_PATIENCE = 180  # seconds for what was promised to end, once the storm is over
_ATTEMPTS = 6  # a storm hits one task by chance more often than a machine does
HARMED = {
    "WORKERS": "2",
    "WORKER_PROCESSES": "2",
    "LEASE_SECONDS": "3",
    "SWEEP_SECONDS": "0.5",
    "STORE_TIMEOUT": "2",
    "DRAIN_SECONDS": "2",
    "MAX_ATTEMPTS": str(_ATTEMPTS),
    "NEWSLETTER_WEEKDAY": "off",
    "LOG_LEVEL": "WARNING",
}


@dataclass
class Report:
    """What came of a storm; ``complaints`` is empty where every promise was kept."""

    harms: list[Harm]
    done: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    promised: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"harms: {dict(sorted(self.done.items()))}, {self.missed} found nobody",
            f"promised: {self.promised} tasks; in the clients' way: {dict(self.troubles)}",
            f"tasks by attempts: {dict(sorted(self.attempts.items()))}",
        ]
        return "\n".join([*lines, *(self.complaints or ["every promise was kept"])])


def poison() -> Submission:
    """Return a picture whose child is always killed for the memory it takes.

    Decoding it takes 600 MB and more, and its upscaling more than a minute.
    """
    gradient = Image.radial_gradient("L").resize((7000, 7000)).convert("RGB")
    gradient.putalpha(128)
    data = images.encoded(gradient)
    fields = (("scale", "2"), ("quality", "fast"))
    return Submission("/upscale", fields, ("poison.png",), lambda _: data, (0,))


def run(folder: Path, *, seconds: float, pause: float, count: int, seed: int) -> Report:
    """Submit ``count`` times in ``seconds`` of storm; harms come about every ``pause`` seconds."""
    asked = submissions(count, seed)
    report = Report(schedule(seconds, pause, seed))
    scratch = folder / "scratch"
    scratch.mkdir()
    given = {**HARMED, "TMPDIR": str(scratch)}
    with House(folder / "calm", **given) as house:
        expected = asyncio.run(_calm(house, asked))
    with House(folder / "data", **given) as house:
        harms, witness = Harms(house), Witness(house)
        asyncio.run(_storm(house, asked, report, harms, witness, expected, seconds))
        harms.look()
        if house.stop() != 0:
            report.complaints.append("the house did not stop well")
    # Housekeeping must let results lie for longer than any worker takes to publish: only now may
    # it be quick, with a house in which nothing is in work.
    with House(folder / "data", **given, ORPHAN_SECONDS="1") as house:
        again = Harms(house)
        again.look()
        harms.seen |= again.seen
        witness.close()
        witness = Witness(house)
        left = witness.until_nothing_unowned(60)
        report.complaints += [f"left over: {n} {what}" for what, n in left.items()]
        report.complaints += asyncio.run(verification.served(house, expected, witness))
        witness.close()
    _, alive = psutil.wait_procs(harms.seen, timeout=30)
    report.complaints += [f"left over: process {process}" for process in alive]
    report.complaints += [f"left over: {path}" for path in scratch.glob("darkroom-*/*")]
    return report


async def _calm(house: House, asked: list[Submission]) -> Digests:
    """Return what each task's results are where nothing is disturbed."""
    async with Client(house.url) as client:
        await _submit(client, asked, 0)
        return {
            task_id: await client.digests(await client.ended(task_id, _PATIENCE))
            for task_id in client.promised
        }


async def _submit(client: Client, asked: list[Submission], seconds: float) -> None:
    """Submit all, spread over ``seconds``, from several callers."""
    began = asyncio.get_running_loop().time()
    waiting = iter(enumerate(asked))

    async def caller() -> None:
        for number, submission in waiting:
            due = began + seconds * number / len(asked)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await client.submit(submission)

    async with asyncio.TaskGroup() as group:
        for _ in range(_CALLERS):
            group.create_task(caller())


async def _storm(
    house: House,
    asked: list[Submission],
    report: Report,
    harms: Harms,
    witness: Witness,
    expected: Digests,
    seconds: float,
) -> None:
    async with Client(house.url) as client:
        background = [
            asyncio.create_task(_watch(harms, witness)),
            asyncio.create_task(kill_the_large(house)),
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(_harm(harms, report.harms))
            group.create_task(_submit(client, asked, seconds))
            (bad,) = await client.submit(poison())
        await harms.calm()
        for task_id in client.promised:
            await client.ended(task_id, _PATIENCE)
        for task in background:
            task.cancel()
        for outcome in await asyncio.gather(*background, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        while not await asyncio.to_thread(witness.look):
            await asyncio.sleep(0.1)
    report.promised, report.troubles = len(client.promised), client.troubles
    report.done = Counter(f"{harm.what} {harm.who}" for *_, harm in harms.done)
    report.missed = len(harms.missed)
    report.complaints += verification.kept(
        witness, harms, set(client.promised), bad, expected, _ATTEMPTS
    )
    report.attempts = Counter(task["attempts"] for task in witness.tasks().values())


async def _harm(harms: Harms, due: list[Harm]) -> None:
    began = asyncio.get_running_loop().time()
    for harm in due:
        await asyncio.sleep(began + harm.at - asyncio.get_running_loop().time())
        await harms.do(harm)


async def _watch(harms: Harms, witness: Witness) -> None:
    while True:
        await asyncio.to_thread(witness.look)
        harms.look()
        await asyncio.sleep(0.5)


async def kill_the_large(house: House) -> None:
    """Kill what takes too much memory, as a kernel does that is short of it."""
    while True:
        for worker in workers_of(house):
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in worker.children():
                    if child.memory_info().rss > _KILLED_ABOVE:
                        child.kill()
        await asyncio.sleep(0.02)


@contextlib.contextmanager
def folder_for_a_storm() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="darkroom-chaos-") as folder:
        yield Path(folder)


def seed_given() -> int:
    """Return CHAOS_SEED, or a new seed."""
    given = os.environ.get("CHAOS_SEED", "")
    return int(given) if given else int.from_bytes(os.urandom(3))
