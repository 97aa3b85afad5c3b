"""Results: which one a request names, errors for deleted ones."""

from __future__ import annotations

import re

import structlog
from aiohttp import web

from models.auth.visibility import View
from models.errors import AppError, NotFound, NotReady, ResultGone
from models.settings.retention import RetentionSettings
from models.tasks.filenames import sanitize
from models.tasks.task import Removal, Result, Status, Task
from service.app_keys import SETTINGS, STORE
from service.auth.identity import identity
from service.openapi.endpoint import parameter

_OWNER = re.compile(r"(?:[0-9a-f]{16})?")


OWNER = {
    "owner": parameter(
        "For admin keys: the ID of the key that owns it.", pattern=f"^{_OWNER.pattern}$"
    )
}
SIGNATURE = {
    "expires": parameter("Part of a signed link; see POST .../link."),
    "signature": parameter("Part of a signed link."),
}
"""The query of a signed link; see ``models.auth.signed_links``."""


def requested_owner(request: web.Request) -> str:
    """Return the owner of the requested results: the caller, or ``owner=``.

    Raises:
        NotFound: the caller may not see results of that owner.
    """
    caller = identity(request)
    asked = request.query.get("owner", caller.owner if caller.means != "link" else "")
    if not _OWNER.fullmatch(asked) or not caller.view.sees(asked):
        raise NotFound("there is no result with this name")
    return asked


async def find_result(request: web.Request) -> tuple[Task, str, Result, bool]:
    """Return (task, name, result, whether the name is the result's own).

    Raises:
        NotFound: the owner has no such result. NotReady, ResultGone: not yet, or no longer.
    """
    store, owner = request.app[STORE], requested_owner(request)
    name = request.match_info["name"]
    reserved = await store.result_names.find(name, owner)
    if reserved is not None:
        task = await store.tasks.get(reserved[0], View(owner))
        if task is not None:
            structlog.contextvars.bind_contextvars(task_id=task.id)
            check_finished(task, name)
            if gone := task.removal(name, reserved[1]):
                raise result_gone_error(task, name, gone, request.app[SETTINGS].retention)
            return task, name, task.results[reserved[1]], True
    uploaded = sanitize(name)
    task = await store.tasks.newest_of_upload(uploaded, View(owner))
    if task is None or identity(request).means == "link":  # a link is for one result
        raise NotFound("there is no result with this name")
    upload = task.upload(uploaded)
    if gone := task.removal(upload.results[0], 0):
        raise result_gone_error(task, upload.results[0], gone, request.app[SETTINGS].retention)
    return task, upload.results[0], task.results[0], False


def check_finished(task: Task, name: str) -> None:
    """Raise NotReady unless ``task`` succeeded; ``name``: its result."""
    if task.status is not Status.SUCCESS:
        raise NotReady(
            f"{name} is not finished: its task is {task.status}; see /tasks/{task.id}",
            task_id=task.id,
            task_status=task.status,
        )


def result_gone_error(
    task: Task, name: str, gone: Removal, settings: RetentionSettings
) -> AppError:
    """Return the error for a result that expired or was deleted."""
    if gone.reason == "deleted":
        return NotFound(
            "there is no result with this name; it was deleted; send the picture again to make it "
            "again",
            task_id=task.id,
        )
    at = gone.at.isoformat(timespec="seconds")
    return ResultGone(
        f"{name} is gone since {at}: results are kept for {settings.result_ttl:g} s (RESULT_TTL); "
        f"send the picture again, or POST /tasks/{task.id}/retry, to have it made again",
        setting="RESULT_TTL",
        limit=settings.result_ttl,
        task_id=task.id,
        gone_at=at,
    )
