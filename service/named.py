"""Which result a request means: its name, and whose it is."""

from __future__ import annotations

import re
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from models.auth.visibility import View
from models.errors import NotFound, NotReady
from models.tasks.filenames import safe
from models.tasks.task import Result, Status, Task
from service.app_keys import SETTINGS, STORE
from service.auth.identity import caller
from service.results import no_longer

_OWNER = re.compile(r"(?:[0-9a-f]{16})?")


class Owned(TypedDict, total=False):
    """The query of what has an owner."""

    owner: Annotated[
        str,
        Field(
            pattern=f"^{_OWNER.pattern}$",
            description="Whose it is, where an admin's key asks for another's: that key's id.",
        ),
    ]


class Signed(TypedDict, total=False):
    """The query of a signed link, beside what it leads to; see ``models.auth.signed_links``."""

    expires: Annotated[
        str, Field(description="Of a signed link, which shows no key; see POST .../link.")
    ]
    signature: Annotated[str, Field(description="Of such a link.")]


def whose(request: web.Request) -> str:
    """Return whose results a request means: the caller's own, or those of ``owner=``.

    Raises:
        NotFound: the caller sees none of that owner.
    """
    who = caller(request)
    asked = request.query.get("owner", who.owner if who.means != "link" else "")
    if not _OWNER.fullmatch(asked) or not who.view.sees(asked):
        raise NotFound("there is no result of this name")
    return asked


async def find(request: web.Request) -> tuple[Task, str, Result, bool]:
    """Return (task, name, result, whether the name is the result's own).

    Raises:
        NotFound: who asks has no such result. NotReady, ResultGone: not yet, or no longer.
    """
    store, owner = request.app[STORE], whose(request)
    name = request.match_info["name"]
    held = await store.names.find(name, owner)
    if held is not None:
        task = await store.tasks.get(held[0], View(owner))
        if task is not None:
            structlog.contextvars.bind_contextvars(task_id=task.id)
            check_finished(task, name)
            if gone := task.gone(name, held[1]):
                raise no_longer(task, name, gone, request.app[SETTINGS])
            return task, name, task.results[held[1]], True
    uploaded = safe(name, request.app[SETTINGS].max_name_length)
    task = await store.tasks.newest(uploaded, View(owner))
    if task is None or caller(request).means == "link":  # a link means one result
        raise NotFound("there is no result of this name")
    upload = task.upload(uploaded)
    if gone := task.gone(upload.results[0], 0):
        raise no_longer(task, upload.results[0], gone, request.app[SETTINGS])
    return task, upload.results[0], task.results[0], False


def check_finished(task: Task, name: str) -> None:
    if task.status is not Status.SUCCESS:
        raise NotReady(
            f"{name} is not finished: its task is {task.status}; see /tasks/{task.id}",
            task_id=task.id,
            task_status=task.status,
        )
