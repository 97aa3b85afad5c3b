"""Calls that take long: when their body has come, or what they wait for has ended, who asks again.

A key that was revoked meanwhile has nothing done and sees nothing any more.
"""

from __future__ import annotations

from aiohttp import web

from models.auth.visibility import EVERYTHING, View
from models.errors import Unauthorized
from models.tasks.group import Group
from models.tasks.task import Task
from service.app_keys import ENDINGS
from service.auth.authenticator import DOORKEEPER
from service.auth.identity import caller


async def still_good(request: web.Request) -> None:
    """Return if that by which a call was let in is good now, as KEY_SECONDS has it.

    Raises:
        Unauthorized: its key was revoked, has a new secret, or expired. Forbidden: so did its link.
        StoreUnavailable: the key cannot be looked up.
    """
    who, doorkeeper = caller(request), request.app[DOORKEEPER]
    if who.means == "link":
        await doorkeeper.linked(request)
    elif not await doorkeeper.still(who):
        raise Unauthorized("this key is not good any more: revoked, rotated or expired meanwhile")


async def ended_task(
    request: web.Request, task_id: str, seconds: float, view: View = EVERYTHING
) -> Task | None:
    """Return the task as ``Endings.wait`` does.

    Raises:
        Unauthorized, Forbidden, StoreUnavailable: see ``still_good``.
    """
    task = await request.app[ENDINGS].wait(task_id, seconds, view)
    if seconds:
        await still_good(request)
    return task


async def ended_group(
    request: web.Request, group_id: str, seconds: float, view: View = EVERYTHING
) -> tuple[Group, dict[str, Task]] | None:
    """Return the group and its tasks as ``Endings.wait_group`` does.

    Raises:
        Unauthorized, Forbidden, StoreUnavailable: see ``still_good``.
    """
    found = await request.app[ENDINGS].wait_group(group_id, seconds, view)
    if seconds:
        await still_good(request)
    return found
