"""Verify a storm: accepted tasks against the ledger, the oplog and the served results."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.client import Client
from tests.chaos.faults import FaultInjector
from tests.chaos.oplog import OplogReader
from tests.chaos.schedule import CHARGING_TARGETS
from tests.support.standalone_process import StandaloneProcess

Digests = dict[str, list[str]]
"""The SHA-256 of each result, by task."""

_CLOCK_SLACK = 1  # seconds: faults are timed by this process, tasks by MongoDB


def check_ledger(
    oplog: OplogReader,
    injector: FaultInjector,
    accepted: set[str],
    bad: str,
    expected: Digests,
    attempts: int,
) -> Iterator[str]:
    """Yield what is wrong in the ledger, and where the oplog contradicts it."""
    tasks = oplog.tasks()
    if lost := accepted - set(tasks):
        yield f"lost: {sorted(lost)}"
    if accepted != {*expected, bad}:
        yield f"{len(accepted)} tasks accepted, {len(expected)} in the undisturbed run"
    charging = [
        (began, ended) for began, ended, fault in injector.done if fault.target in CHARGING_TARGETS
    ]
    for task_id, task in tasks.items():
        status, error = task["status"], task["error"]
        changes = oplog.status_changes[task_id]
        if task_id == bad:
            if status != "FAILURE" or error["code"] != "worker_crashed":
                yield f"poison ended as {status}, {error}"
            if task["attempts"] != attempts:
                yield f"poison was tried {task['attempts']} times"
            continue
        if status != "SUCCESS":
            yield f"{task_id} ended as {status}: {error}, attempts {task['attempts']}"
            continue
        if changes["SUCCESS"] != 1 or changes["FAILURE"]:
            yield f"{task_id} changed to {dict(changes)}"
        times = (
            task["started_at"].timestamp() - _CLOCK_SLACK,
            task["finished_at"].timestamp() + _CLOCK_SLACK,
        )
        reasons = sum(began < times[1] and ended > times[0] for began, ended in charging)
        if task["attempts"] - 1 > reasons:
            yield f"{task_id} was charged {task['attempts']} attempts for {reasons} faults"


async def check_results(
    darkroom: StandaloneProcess, expected: Digests, oplog: OplogReader
) -> list[str]:
    """Return what is wrong with the results as served to a client."""
    wrong = []
    async with Client(darkroom.url) as client:
        for task_id, digests in expected.items():
            served = await client.digests(await client.ended(task_id, 5))
            if served != digests:
                wrong.append(f"{task_id} differs from the undisturbed run: {served}, not {digests}")
    for task_id, count in oplog.result_sets().items():
        if count != 1:
            wrong.append(f"{task_id} has {count} sets of results")
    return wrong
