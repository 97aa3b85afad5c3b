"""GET /tasks/<id>: a task, at once or when it has ended; DELETE: cancel; POST retry."""

from __future__ import annotations

from aiohttp import web

from models.errors import (
    BadParameter,
    NotFound,
    OriginalGone,
    QueueFull,
    WrongStatus,
)
from models.tasks.schemas import TaskBody
from service.app_keys import SETTINGS
from service.auth.identity import identity
from service.events.long_poll import long_poll_task
from service.openapi.endpoint import ResponseSpec, endpoint, parameter
from service.openapi.error_groups import STORE_ERRORS, TASK_ERRORS
from service.query import (
    REDIRECT,
    WAIT,
    wait_seconds,
    wants_image_redirect,
)
from service.submissions.task_actions import cancel_task, require_task, retry_task
from service.task_response import respond_task

NAME = {
    "name": parameter(
        "The file name of the upload, if the same bytes were sent under several; see Location."
    )
}


@endpoint(
    "Tasks",
    "Get a task",
    query=WAIT | REDIRECT | NAME,
    headers=("Prefer",),
    responses={
        200: ResponseSpec("The task.", TaskBody, headers=("Location",)),
        303: ResponseSpec("With redirect=1: to its result.", headers=("Location",)),
    },
    errors=(NotFound, BadParameter, *STORE_ERRORS, *TASK_ERRORS),
    examples=("curl '{url}/tasks/TASK_ID?wait=30'",),
)
async def show(request: web.Request) -> web.StreamResponse:
    wait = wait_seconds(request, request.app[SETTINGS].http.max_wait)
    redirect = wants_image_redirect(request)
    view = identity(request).view
    task = require_task(await long_poll_task(request, request.match_info["id"], wait, view))
    return await respond_task(
        request, task, name=request.query.get("name"), status=200, redirect=redirect
    )


@endpoint(
    "Tasks",
    "Cancel a task",
    description="Stops the work, also for other clients that wait for the same task.",
    query=NAME,
    responses={200: ResponseSpec("The task, CANCELLED.", TaskBody, headers=("Location",))},
    errors=(NotFound, WrongStatus, BadParameter, *STORE_ERRORS),
    examples=("curl -X DELETE {url}/tasks/TASK_ID",),
)
async def cancel(request: web.Request) -> web.StreamResponse:
    """DELETE /tasks/<id>: end the task CANCELLED and stop its worker."""
    task = await cancel_task(request, request.match_info["id"], identity(request).view)
    return await respond_task(
        request, task, name=request.query.get("name"), status=200, redirect=False
    )


@endpoint(
    "Tasks",
    "Retry a task",
    description="A task that failed, was cancelled, or whose result is gone.",
    query=NAME,
    responses={202: ResponseSpec("The restarted task.", TaskBody, headers=("Location",))},
    errors=(NotFound, WrongStatus, OriginalGone, QueueFull, BadParameter, *STORE_ERRORS),
    examples=("curl -X POST {url}/tasks/TASK_ID/retry",),
)
async def retry(request: web.Request) -> web.StreamResponse:
    """POST /tasks/<id>/retry: restart a task that failed, was cancelled or lost its result.

    All attempts are available again.
    """
    task = await retry_task(request, request.match_info["id"], identity(request).view)
    return await respond_task(
        request, task, name=request.query.get("name"), status=202, redirect=False
    )
