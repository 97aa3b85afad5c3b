"""Results: which one a request names, its bytes from Redis or GridFS, errors for deleted ones."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from models.auth.visibility import View
from models.errors import AppError, NotFound, NotReady, ResultGone
from models.settings import Settings
from models.tasks.filenames import sanitize
from models.tasks.task import Removal, Result, Status, Task
from service.app_keys import CACHE, SETTINGS, STORE
from service.auth.identity import identity

_OWNER = re.compile(r"(?:[0-9a-f]{16})?")


class OwnerQuery(TypedDict, total=False):
    """The query of a resource with an owner."""

    owner: Annotated[
        str,
        Field(
            pattern=f"^{_OWNER.pattern}$",
            description="For admin keys: the ID of the key that owns it.",
        ),
    ]


class SignedLinkQuery(TypedDict, total=False):
    """The query of a signed link; see ``models.auth.signed_links``."""

    expires: Annotated[str, Field(description="Part of a signed link; see POST .../link.")]
    signature: Annotated[str, Field(description="Part of a signed link.")]


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
                raise result_gone_error(task, name, gone, request.app[SETTINGS])
            return task, name, task.results[reserved[1]], True
    uploaded = sanitize(name)
    task = await store.tasks.newest_of_upload(uploaded, View(owner))
    if task is None or identity(request).means == "link":  # a link is for one result
        raise NotFound("there is no result with this name")
    upload = task.upload(uploaded)
    if gone := task.removal(upload.results[0], 0):
        raise result_gone_error(task, upload.results[0], gone, request.app[SETTINGS])
    return task, upload.results[0], task.results[0], False


def check_finished(task: Task, name: str) -> None:
    """Raise NotReady unless ``task`` succeeded; ``name``: its result."""
    if task.status is not Status.SUCCESS:
        raise NotReady(
            f"{name} is not finished: its task is {task.status}; see /tasks/{task.id}",
            task_id=task.id,
            task_status=task.status,
        )


async def read_result(
    app: web.Application, task: Task, result: Result, start: int = 0, stop: int | None = None
) -> AsyncGenerator[bytes]:
    """Yield the bytes ``start`` to ``stop`` (exclusive) of a result of ``task``.

    A small result that is requested again is cached in Redis.

    Raises:
        StoreUnavailable, LookupError: it cannot be read.
    """
    stop = result.bytes if stop is None else stop
    cache, files = app[CACHE], app[STORE].results
    if not cache.accepts(result.bytes):
        async for data in files.read(result.file_id, start, stop):
            yield data
        return
    whole = await cache.get(result.sha256, task.owner)
    if whole is None:
        parts = [data async for data in files.read(result.file_id, 0, result.bytes)]
        whole = b"".join(parts)
        cache.offer(result.sha256, whole, task.owner)
    yield whole[start:stop]


def result_gone_error(task: Task, name: str, gone: Removal, settings: Settings) -> AppError:
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
