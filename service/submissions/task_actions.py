"""Cancel and retry tasks, for the public API and the dashboard."""

from __future__ import annotations

import structlog
from aiohttp import web

from models.auth.visibility import View
from models.errors import NotFound, TaskCancelled, WrongStatus
from models.metrics.definitions import TASKS_ENDED
from models.metrics.instruments import operation_label
from models.tasks.task import RESTARTABLE, Status, Task
from service.app_keys import INSTRUMENTS, QUEUE, STORE
from service.auth.identity import client_id
from service.events.long_poll import POLLED_TASKS
from service.submissions.task_creator import TASK_CREATOR

log = structlog.get_logger()

_CANCELLABLE = (Status.CREATED, Status.STARTED)


async def cancel_task(request: web.Request, task_id: str, view: View) -> Task:
    """Cancel a task in ``view`` and return it.

    Raises:
        NotFound: there is no such task. WrongStatus: it has ended.
    """
    store, tasks = request.app[STORE], request.app[STORE].tasks
    error = TaskCancelled("the task was cancelled; upload the image again or retry the task")
    task = await tasks.cancel(task_id, error.document(), view)
    request.app[POLLED_TASKS].forget(task_id)
    if task is None:
        found = require_task(await tasks.get(task_id, view))
        raise _wrong_status(found, "cancelled", _CANCELLABLE)
    structlog.contextvars.bind_contextvars(task_id=task.id)
    log.info("task_cancelled")
    await request.app[QUEUE].publish_cancelled(task.id)
    await store.pending_webhooks.release([task.id])
    request.app[INSTRUMENTS].count(TASKS_ENDED, operation_label(task.operations), task.status)
    return task


async def retry_task(request: web.Request, task_id: str, view: View) -> Task:
    """Restart a task in ``view`` that failed, was cancelled or lost its result, and return it.

    Raises:
        NotFound: there is no such task. WrongStatus: it waits, runs, or has its result.
        OriginalGone: its image is no longer kept.
    """
    restarted = await request.app[TASK_CREATOR].retry(task_id, view, client_id(request))
    task = require_task(await request.app[STORE].tasks.get(task_id, view))
    if not restarted:
        raise _wrong_status(task, "retried", sorted(RESTARTABLE))
    return task


def require_task(task: Task | None) -> Task:
    """Return ``task``, and add its id to the log context.

    Raises:
        NotFound: it is None.
    """
    if task is None:
        raise NotFound("there is no task with this id")
    structlog.contextvars.bind_contextvars(task_id=task.id)
    return task


def _wrong_status(
    task: Task, action: str, allowed: tuple[Status, ...] | list[Status]
) -> WrongStatus:
    return WrongStatus(
        f"the task is {task.status}; only a task that is {' or '.join(allowed)} can be {action}",
        measured=task.status,
        allowed=list(allowed),
    )
