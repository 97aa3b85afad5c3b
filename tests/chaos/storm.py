"""A storm: clients submit while faults are injected; then every accepted task is verified."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from models.replica_set import embedded_mongo_url
from tests.chaos import verification
from tests.chaos.client import Client
from tests.chaos.faults import FaultInjector, workers_of
from tests.chaos.oplog import OplogReader
from tests.chaos.schedule import Fault, schedule
from tests.chaos.verification import Digests
from tests.chaos.workload import Submission, submissions
from tests.support import images
from tests.support.fork_servers import children_of
from tests.support.standalone_process import StandaloneProcess

_CONCURRENCY = 6  # submissions at the same time
_LOOK_SECONDS = 0.1  # between two looks at their memory: each reads all of /proc
_MAX_CHILD_BYTES = 500_000_000  # other images, with all their networks, stay below 350 MB
_END_SECONDS = 180  # for accepted tasks to end once the storm is over
_ATTEMPTS = 6  # a storm hits one task more often than real machines do
STORM_SETTINGS = {
    "WORKERS": "2",
    "WORKER_PROCESSES": "2",
    "LEASE_SECONDS": "3",
    "SWEEP_INTERVAL_SECONDS": "0.5",
    "DELETE_GRACE_SECONDS": "20",
    "STORE_TIMEOUT": "2",
    "DRAIN_SECONDS": "2",
    "MAX_ATTEMPTS": str(_ATTEMPTS),
    "NEWSLETTER_WEEKDAY": "off",
    "LOG_LEVEL": "WARNING",
}
_NO_FAULTS = {"WORKERS": "1", "WORKER_PROCESSES": "1"}
"""Where nothing is injected, more processes would only have to be started."""
_POISON_PIXELS = 7000  # a side


@dataclass
class Report:
    """The result of a storm; ``problems`` is empty if no accepted task was lost."""

    faults: list[Fault]
    done: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    accepted: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"faults: {dict(sorted(self.done.items()))}, {self.missed} missed their target",
            f"accepted: {self.accepted} tasks; retries of the clients: {dict(self.retries)}",
            f"tasks by attempts: {dict(sorted(self.attempts.items()))}",
        ]
        return "\n".join([*lines, *(self.problems or ["no accepted task was lost"])])


def poison() -> Submission:
    """Return a gray image whose child process is always killed for its memory use.

    Decoding it takes at least 600 MB, and upscaling it more than a minute.
    """
    row, packer = b"\0" + b"\x80" * (4 * _POISON_PIXELS), zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(_POISON_PIXELS)) + packer.flush()
    rgba = np.broadcast_to(np.uint8(0), (_POISON_PIXELS, _POISON_PIXELS, 4))  # no memory
    data = images.by_hand(rgba, packed=packed)
    fields = (("scale", "2"), ("quality", "fast"))
    return Submission("/upscale", fields, ("poison.png",), lambda _: data, (0,))


def run(folder: Path, *, seconds: float, pause: float, count: int, seed: int) -> Report:
    """Submit ``count`` times in ``seconds``; inject a fault about every ``pause`` seconds."""
    workload = submissions(count, seed)
    report = Report(schedule(seconds, pause, seed))
    scratch = folder / "scratch"
    scratch.mkdir()
    environment = {**STORM_SETTINGS, "TMPDIR": str(scratch)}
    with StandaloneProcess(folder / "undisturbed", **{**environment, **_NO_FAULTS}) as darkroom:
        expected = asyncio.run(_run_undisturbed(darkroom, workload))
    with StandaloneProcess(folder / "data", **environment) as darkroom:
        injector = FaultInjector(darkroom)
        oplog = OplogReader(embedded_mongo_url(darkroom.data_dir))
        asyncio.run(_storm(darkroom, workload, report, injector, oplog, expected, seconds))
        injector.record_processes()
        if darkroom.stop() != 0:
            report.problems.append("Darkroom did not stop with status 0")
    # Housekeeping must keep unreferenced results for longer than any worker takes to publish. Only
    # now, with no task running, may it be fast.
    calm = {**environment, **_NO_FAULTS, "DELETE_GRACE_SECONDS": "0.2"}
    with StandaloneProcess(folder / "data", **calm) as darkroom:
        second = FaultInjector(darkroom)
        second.record_processes()
        injector.seen |= second.seen
        oplog.close()
        oplog = OplogReader(embedded_mongo_url(darkroom.data_dir))
        left = oplog.wait_until_clean(60)
        report.problems += [f"left over: {n} {what}" for what, n in left.items()]
        report.problems += asyncio.run(verification.check_results(darkroom, expected, oplog))
        oplog.close()
    _, alive = psutil.wait_procs(injector.seen, timeout=30)
    report.problems += [f"left over: process {process}" for process in alive]
    report.problems += [f"left over: {path}" for path in scratch.glob("darkroom-*/*")]
    return report


async def _run_undisturbed(darkroom: StandaloneProcess, workload: list[Submission]) -> Digests:
    """Return the digests of each task's results without faults."""
    async with Client(darkroom.url) as client:
        await _submit(client, workload, 0)
        return {
            task_id: await client.digests(await client.ended(task_id, _END_SECONDS))
            for task_id in client.accepted
        }


async def _submit(client: Client, workload: list[Submission], seconds: float) -> None:
    """Submit all, spread over ``seconds``, with limited concurrency."""
    began = asyncio.get_running_loop().time()
    waiting = iter(enumerate(workload))

    async def submit_next() -> None:
        for number, submission in waiting:
            due = began + seconds * number / len(workload)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await client.submit(submission)

    async with asyncio.TaskGroup() as group:
        for _ in range(_CONCURRENCY):
            group.create_task(submit_next())


async def _storm(
    darkroom: StandaloneProcess,
    workload: list[Submission],
    report: Report,
    injector: FaultInjector,
    oplog: OplogReader,
    expected: Digests,
    seconds: float,
) -> None:
    async with Client(darkroom.url) as client:
        background = [
            asyncio.create_task(_watch(injector, oplog)),
            asyncio.create_task(kill_large_children(darkroom)),
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(_inject(injector, report.faults))
            group.create_task(_submit(client, workload, seconds))
            (bad,) = await client.submit(poison())
        await injector.wait_for_thaws()
        for task_id in client.accepted:
            await client.ended(task_id, _END_SECONDS)
        for task in background:
            task.cancel()
        for outcome in await asyncio.gather(*background, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome
        while not await asyncio.to_thread(oplog.read):
            await asyncio.sleep(0.1)
    report.accepted, report.retries = len(client.accepted), client.retries
    report.done = Counter(f"{fault.action} {fault.target}" for *_, fault in injector.done)
    report.missed = len(injector.missed)
    report.problems += verification.check_ledger(
        oplog, injector, set(client.accepted), bad, expected, _ATTEMPTS
    )
    report.attempts = Counter(task["attempts"] for task in oplog.tasks().values())


async def _inject(injector: FaultInjector, due: list[Fault]) -> None:
    began = asyncio.get_running_loop().time()
    for fault in due:
        await asyncio.sleep(began + fault.at - asyncio.get_running_loop().time())
        await injector.inject(fault)


async def _watch(injector: FaultInjector, oplog: OplogReader) -> None:
    while True:
        await asyncio.to_thread(oplog.read)
        injector.record_processes()
        await asyncio.sleep(0.5)


async def kill_large_children(darkroom: StandaloneProcess) -> None:
    """Kill child processes that use too much memory, like the kernel's OOM killer."""
    while True:
        for worker in workers_of(darkroom):
            with contextlib.suppress(psutil.NoSuchProcess):
                for child in children_of(worker):
                    if child.memory_info().rss > _MAX_CHILD_BYTES:
                        child.kill()
        await asyncio.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def storm_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="darkroom-chaos-") as folder:
        yield Path(folder)


def seed_from_environment() -> int:
    """Return CHAOS_SEED, or a new seed."""
    given = os.environ.get("CHAOS_SEED", "")
    return int(given) if given else int.from_bytes(os.urandom(3))
