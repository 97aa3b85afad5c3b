"""GET /tasks/<id>: how far it is, at once or when it has ended; DELETE: cancel; POST retry."""

from __future__ import annotations

from typing import Annotated

import structlog
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from models.auth.visibility import View
from models.errors import (
    BadParameter,
    Cancelled,
    NotFound,
    OriginalGone,
    QueueFull,
    WrongStatus,
)
from models.metrics.definitions import ENDED_TASKS
from models.metrics.instruments import worked
from models.tasks.schemas import TaskBody
from models.tasks.task import AGAIN, Status, Task
from service.app_keys import INSTRUMENTS, SETTINGS, STORE, SUBMITTER
from service.auth.identity import caller
from service.auth.revalidate import ended_task
from service.http.client_ip import party
from service.http.query import Waiting, only, seconds, wants_picture
from service.openapi.endpoint import Answer, call
from service.openapi.error_groups import STORED, WORK
from service.openapi.headers import Prefer
from service.task_response import respond

log = structlog.get_logger()

_OPEN = (Status.CREATED, Status.STARTED)


class Named(TypedDict, total=False):
    """The query of what is done to a task."""

    name: Annotated[
        str,
        Field(
            description="The file name it was sent under, where the same bytes came under several; "
            "Location has it."
        ),
    ]


class _Shown(Waiting, Named, total=False):
    """The query of a task."""


@call(
    "Tasks",
    "How far a task is",
    query=_Shown,
    headers=Prefer,
    answers={
        200: Answer("The task.", TaskBody, headers=("Location",)),
        303: Answer("The way to its picture, with redirect=1.", headers=("Location",)),
    },
    errors=(NotFound, BadParameter, *STORED, *WORK),
    examples=("curl '{url}/tasks/TASK_ID?wait=30'",),
)
async def show(request: web.Request) -> web.StreamResponse:
    only(request, "wait", "redirect", "name")
    wait = seconds(request, request.app[SETTINGS].max_wait)
    redirect = wants_picture(request)
    view = caller(request).view
    task = _there(await ended_task(request, request.match_info["id"], wait, view))
    return respond(request, task, name=request.query.get("name"), status=200, redirect=redirect)


@call(
    "Tasks",
    "Cancel a task",
    description="For everybody who waits for the same picture; the work stops.",
    query=Named,
    answers={200: Answer("The task, CANCELLED.", TaskBody, headers=("Location",))},
    errors=(NotFound, WrongStatus, BadParameter, *STORED),
    examples=("curl -X DELETE {url}/tasks/TASK_ID",),
)
async def cancel(request: web.Request) -> web.StreamResponse:
    """DELETE /tasks/<id>: it ends CANCELLED; whatever works at it is stopped.

    Raises:
        NotFound: there is no such task. WrongStatus: it has ended.
    """
    only(request, "name")
    task = await cancelled(request, request.match_info["id"], caller(request).view)
    return respond(request, task, name=request.query.get("name"), status=200, redirect=False)


async def cancelled(request: web.Request, task_id: str, view: View) -> Task:
    """Cancel a task in ``view`` and return it.

    Raises:
        NotFound: there is no such task. WrongStatus: it has ended.
    """
    store, tasks = request.app[STORE], request.app[STORE].tasks
    error = Cancelled("it was cancelled; sent again, or retried, it is worked at again")
    task = await tasks.cancel(task_id, error.document(), view)
    if task is None:
        found = _there(await tasks.get(task_id, view))
        raise _wrong(found, "cancelled", _OPEN)
    structlog.contextvars.bind_contextvars(task_id=task.id)
    log.info("cancelled")
    await store.awaited.settle(task.id)
    request.app[INSTRUMENTS].count(ENDED_TASKS, worked(task.operations), task.status)
    return task


@call(
    "Tasks",
    "Try a task again",
    description="One that failed, was cancelled, or whose result is no longer kept.",
    query=Named,
    answers={202: Answer("The task, begun anew.", TaskBody, headers=("Location",))},
    errors=(NotFound, WrongStatus, OriginalGone, QueueFull, BadParameter, *STORED),
    examples=("curl -X POST {url}/tasks/TASK_ID/retry",),
)
async def retry(request: web.Request) -> web.StreamResponse:
    """POST /tasks/<id>/retry: a failed or cancelled task begins anew, all its attempts before it.

    So does one whose result is no longer kept.

    Raises:
        NotFound: there is no such task. WrongStatus: it did not fail.
        OriginalGone: its picture is no longer kept.
    """
    only(request, "name")
    task = await begun_again(request, request.match_info["id"], caller(request).view)
    return respond(request, task, name=request.query.get("name"), status=202, redirect=False)


async def begun_again(request: web.Request, task_id: str, view: View) -> Task:
    """Have a task in ``view`` that failed, was cancelled or lost its result begin anew.

    Raises:
        NotFound: there is no such task. WrongStatus: it did not fail.
        OriginalGone: its picture is no longer kept.
    """
    begun = await request.app[SUBMITTER].again(task_id, view, party(request))
    task = _there(await request.app[STORE].tasks.get(task_id, view))
    if not begun:
        raise _wrong(task, "retried", sorted(AGAIN))
    return task


def _there(task: Task | None) -> Task:
    if task is None:
        raise NotFound("there is no task of this id")
    structlog.contextvars.bind_contextvars(task_id=task.id)
    return task


def _wrong(task: Task, done: str, allowed: tuple[Status, ...] | list[Status]) -> WrongStatus:
    return WrongStatus(
        f"the task is {task.status}; only one that is {' or '.join(allowed)} can be {done}",
        measured=task.status,
        allowed=list(allowed),
    )
