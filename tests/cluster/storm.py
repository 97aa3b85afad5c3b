"""Faults under load, and whether every promise was kept."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.chaos.client import Client
from tests.chaos.oplog import OplogReader
from tests.cluster.cluster import Cluster
from tests.cluster.faults import Fault
from tests.cluster.traffic import Traffic

_ANSWER_SECONDS = 30  # a service's own limits are shorter


@dataclass
class Injected:
    """One fault: what it ``hit``, and by the clock ``time.monotonic`` from when to when."""

    fault: Fault
    hit: str
    began: float
    ended: float
    whole: float
    """When all servers, services and workers were well again."""


@dataclass
class Report:
    """What came of a storm; ``problems`` is empty if every promise was kept."""

    faults: list[Injected] = field(default_factory=list)
    accepted: int = 0
    accepted_at: list[float] = field(default_factory=list)
    retries: Counter[str] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        table = [
            "| fault | hit | lasted s | then, until all was well s | longest upload gap s |",
            "|---|---|---|---|---|",
        ]
        for each in self.faults:
            lasted, healing = each.ended - each.began, each.whole - each.ended
            figures = f"{lasted:.1f} | {healing:.1f} | {self._gap(each):.1f}"
            table.append(f"| {each.fault.kind.name} | {each.hit} | {figures} |")
        lines = [
            f"accepted: {self.accepted} tasks; retries of the clients: {dict(self.retries)}",
            f"tasks by attempts: {dict(sorted(self.attempts.items()))}",
        ]
        verdict = self.problems or ["nothing lost, nothing published twice, no byte wrong"]
        return "\n".join([*table, *lines, *verdict])

    def _gap(self, fault: Injected) -> float:
        inside = [at for at in self.accepted_at if fault.began < at < fault.whole]
        times = [fault.began, *inside, fault.whole]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


async def run(cluster: Cluster, faults: Iterable[Fault], seed: int) -> Report:
    """Inject the faults, one after the other, while clients submit; then verify."""
    report = Report()
    async with Client(*cluster.urls, timeout=_ANSWER_SECONDS) as client:
        traffic = Traffic(client, seed)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(traffic.run())
            for fault in faults:
                report.faults.append(await asyncio.to_thread(_inject, cluster, fault))
            traffic.stop.set()
            await running
        report.problems += traffic.problems
        report.accepted, report.accepted_at = len(client.accepted), traffic.accepted_at
        report.retries = client.retries
        oplog = OplogReader(cluster.mongo.url)
        report.problems += _verify(oplog, set(client.accepted))
        report.attempts = Counter(task["attempts"] for task in oplog.tasks().values())
        oplog.close()
    return report


def _inject(cluster: Cluster, fault: Fault) -> Injected:
    began = time.monotonic()
    with fault.kind.inject(cluster, random.Random(fault.seed)) as hit:
        time.sleep(fault.seconds)
    ended = time.monotonic()
    cluster.wait_until_whole()
    return Injected(fault, hit, began, ended, time.monotonic())


def _verify(oplog: OplogReader, accepted: set[str]) -> Iterator[str]:
    """Yield which tasks MongoDB lost, did not end, or published more than once."""
    while not oplog.read():
        time.sleep(0.1)
    tasks = oplog.tasks()
    if lost := accepted - set(tasks):
        yield f"lost: {sorted(lost)}"
    for task_id, task in tasks.items():
        if task["status"] != "SUCCESS":
            yield f"{task_id} is {task['status']}: {task['error']}, {task['attempts']} attempts"
        elif oplog.status_changes[task_id]["SUCCESS"] != 1:
            yield f"{task_id} changed to {dict(oplog.status_changes[task_id])}"
    # What else is left over is housekeeping's, which waits for longer than a storm takes.
    for what, count in oplog.unreferenced().items():
        if what.endswith(("that a task misses", "files without chunks")):
            yield f"{count} {what}"
