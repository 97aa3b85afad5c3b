"""The books after a storm: what was promised, what the ledger says, what is served."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.client import Client
from tests.chaos.faults import Harms
from tests.chaos.oplog import Witness
from tests.chaos.schedule import CHARGING
from tests.support.standalone_process import House

Digests = dict[str, list[str]]
"""The SHA-256 of each result, by task."""

_SLACK = 1  # seconds: harms are timed by this process, tasks by MongoDB


def kept(
    witness: Witness,
    harms: Harms,
    promised: set[str],
    bad: str,
    expected: Digests,
    attempts: int,
) -> Iterator[str]:
    """Yield what is wrong in the ledger, and what its own log of changes says otherwise."""
    tasks = witness.tasks()
    if lost := promised - set(tasks):
        yield f"lost: {sorted(lost)}"
    if promised != {*expected, bad}:
        yield f"{len(promised)} tasks promised, {len(expected)} in the calm"
    charging = [(began, ended) for began, ended, harm in harms.done if harm.who in CHARGING]
    for task_id, task in tasks.items():
        status, error = task["status"], task["error"]
        turned = witness.changes[task_id]
        if task_id == bad:
            if status != "FAILURE" or error["code"] != "worker_crashed":
                yield f"poison ended as {status}, {error}"
            if task["attempts"] != attempts:
                yield f"poison was tried {task['attempts']} times"
            continue
        if status != "SUCCESS":
            yield f"{task_id} ended as {status}: {error}, attempts {task['attempts']}"
            continue
        if turned["SUCCESS"] != 1 or turned["FAILURE"]:
            yield f"{task_id} turned {dict(turned)}"
        times = task["started_at"].timestamp() - _SLACK, task["finished_at"].timestamp() + _SLACK
        reasons = sum(began < times[1] and ended > times[0] for began, ended in charging)
        if task["attempts"] - 1 > reasons:
            yield f"{task_id} was charged {task['attempts']} attempts for {reasons} harms"


async def served(house: House, expected: Digests, witness: Witness) -> list[str]:
    """Return what is wrong with the results as a client gets them."""
    wrong = []
    async with Client(house.url) as client:
        for task_id, digests in expected.items():
            served = await client.digests(await client.ended(task_id, 5))
            if served != digests:
                wrong.append(f"{task_id} is not what the calm made: {served} for {digests}")
    for task_id, count in witness.sets().items():
        if count != 1:
            wrong.append(f"{task_id} has {count} sets of results")
    return wrong
