"""Tasks that no worker can do: a network is missing everywhere, or settings differ.

They wait, since such a worker may be about to start; after an hour they fail.
"""

from __future__ import annotations

import structlog

from models.errors import NoCapableWorker
from models.tasks.needs import Abilities
from models.tasks.task import Task
from workers import metrics
from workers.context import WorkerContext
from workers.webhooks.sender import task_ended

log = structlog.get_logger()

IMPOSSIBLE_CHECK_SECONDS = 60.0  # between two looks, by one worker of all
_WAIT_SECONDS = 3600.0  # for a worker that can; the dashboard warns after five minutes
_LOCK = "impossible"


async def fail_impossible(worker: WorkerContext) -> int:
    """Fail tasks that waited for an hour for a worker that can do them; return their number."""
    store = worker.store
    if not await store.periodic_lock.acquire(_LOCK, worker.name, IMPOSSIBLE_CHECK_SECONDS):
        return 0
    abilities = await store.workers.abilities()
    if not abilities:  # no worker has reported yet, or one of an older version does anything
        return 0
    count = 0
    for task in await store.leases.impossible(list(abilities), _WAIT_SECONDS):
        error = _error(task, abilities)
        if await store.leases.fail_waiting(task.id, error.document()):
            log.warning("task_impossible", task_id=task.id, **error.document())
            metrics.count_failure(worker.instruments, task, error.code)
            task_ended(worker, task.id)
            count += 1
    return count


def _error(task: Task, workers: set[Abilities]) -> NoCapableWorker:
    """Return the error; it names what no worker has, or all needs if no worker has them all."""
    had = {part for each in workers for part in each.parts}
    lacking = [part for part in task.needs.parts if part not in had]
    if task.needs.pixels > max(each.pixels for each in workers):
        lacking.append(f"{task.needs.pixels} pixels (MAX_PIXELS)")
    if task.needs.result_pixels > max(each.result_pixels for each in workers):
        lacking.append(f"results of {task.needs.result_pixels} pixels (MAX_OUTPUT_PIXELS)")
    needs = lacking or list(task.needs.parts)
    return NoCapableWorker(
        f"for {_WAIT_SECONDS / 3600:g} hour no worker had what this task needs: "
        f"{', '.join(needs)}; start one that has, with the service's settings and networks, and "
        "retry the task"
    )
